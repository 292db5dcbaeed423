UPDATE rating SET rater_id = $3 WHERE market_id = $1 AND rater_id = $2
