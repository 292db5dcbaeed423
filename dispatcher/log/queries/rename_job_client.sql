UPDATE job SET client_id = $3 WHERE market_id = $1 AND client_id = $2
