UPDATE pay_line SET worker_id = $3
WHERE ctid = ANY (ARRAY(SELECT ctid FROM pay_line WHERE market_id = $1 AND worker_id = $2 LIMIT $4))
