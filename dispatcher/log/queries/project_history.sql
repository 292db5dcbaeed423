INSERT INTO job_history (market_id, job_id, sequence, time, kind, courier_id)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[])
