UPDATE access SET subject_id = $3
WHERE ctid = ANY (ARRAY(SELECT ctid FROM access WHERE market_id = $1 AND subject_id = $2 LIMIT $4))
