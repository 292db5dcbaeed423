UPDATE rating SET rated_id = $3 WHERE market_id = $1 AND rated_id = $2
