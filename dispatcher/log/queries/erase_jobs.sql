SELECT job_id, client_id, courier_id, body FROM job
WHERE market_id = $1 AND (client_id = $2 OR courier_id = $2)
LIMIT $3
FOR UPDATE
