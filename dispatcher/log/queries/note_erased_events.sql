UPDATE erasure SET events = $3 WHERE market_id = $1 AND person_id = $2
