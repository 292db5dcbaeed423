UPDATE job SET client_id = new.client_id, courier_id = new.courier_id, body = new.body
FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) AS new (job_id, client_id, courier_id, body)
WHERE market_id = $1 AND job.job_id = new.job_id
