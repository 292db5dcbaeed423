UPDATE decision SET person_id = $3 WHERE market_id = $1 AND person_id = $2
