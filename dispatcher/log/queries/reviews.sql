SELECT opened, body FROM review
WHERE market_id = $1 AND opened < $2 ORDER BY opened DESC LIMIT $3
