INSERT INTO job (market_id, job_id, client_id, courier_id, state, entered, sequence, body)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bytea[])
ON CONFLICT (market_id, job_id) DO UPDATE
SET state = excluded.state, courier_id = excluded.courier_id, sequence = excluded.sequence, body = excluded.body
WHERE job.sequence < excluded.sequence
