UPDATE job SET courier_id = $3 WHERE market_id = $1 AND courier_id = $2
