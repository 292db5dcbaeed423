SELECT job_id FROM job WHERE market_id = $1 AND client_id = $2
