UPDATE job SET body = new.body
FROM unnest($2::text[], $3::bytea[]) AS new (job_id, body)
WHERE market_id = $1 AND job.job_id = new.job_id
