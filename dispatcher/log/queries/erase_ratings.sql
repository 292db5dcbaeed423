SELECT sequence, rater_id, rated_id, body FROM rating
WHERE market_id = $1 AND (rater_id = $2 OR rated_id = $2)
LIMIT $3
FOR UPDATE
