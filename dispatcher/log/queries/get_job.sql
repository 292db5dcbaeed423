SELECT body FROM job WHERE market_id = $1 AND job_id = $2
