SELECT rated_id, body FROM rating WHERE market_id = $1 AND (rated_id = $2 OR rater_id = $2) ORDER BY sequence
