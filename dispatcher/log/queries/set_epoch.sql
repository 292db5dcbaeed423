UPDATE market SET epoch = $3 WHERE market_id = $1 AND epoch = $2 RETURNING epoch
