UPDATE pay_line SET worker_id = $3 WHERE market_id = $1 AND worker_id = $2
