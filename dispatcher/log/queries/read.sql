SELECT sequence, body FROM event WHERE market_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
