-- Events at or after a moment, up to a sequence, after another one; in order.
SELECT sequence, body FROM event
WHERE market_id = $1 AND time >= $2 AND sequence > $3 AND sequence <= $4
ORDER BY sequence LIMIT $5
