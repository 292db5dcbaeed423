UPDATE decision SET person_id = $3
WHERE ctid = ANY (ARRAY(SELECT ctid FROM decision WHERE market_id = $1 AND person_id = $2 LIMIT $4))
