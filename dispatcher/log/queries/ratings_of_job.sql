SELECT rater, body FROM rating WHERE market_id = $1 AND job_id = $2
