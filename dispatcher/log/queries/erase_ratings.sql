SELECT sequence, body FROM rating WHERE market_id = $1 AND (rater_id = $2 OR rated_id = $2)
