SELECT sequence, body FROM rating
WHERE market_id = $1 AND rated_id = $2 AND sequence < $3
ORDER BY sequence DESC LIMIT $4
