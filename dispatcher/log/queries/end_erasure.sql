DELETE FROM erasure WHERE market_id = $1 AND person_id = $2
