INSERT INTO job (market_id, job_id, client_id, state, entered, sequence, body)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bytea[])
ON CONFLICT (market_id, job_id) DO UPDATE
SET state = excluded.state, sequence = excluded.sequence, body = excluded.body
WHERE job.sequence < excluded.sequence
