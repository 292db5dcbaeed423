INSERT INTO job_history (market_id, job_id, sequence, time, kind)
SELECT $1, job_id, sequence, 'epoch'::timestamptz + micros * interval '1 microsecond', kind
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS added (job_id, sequence, micros, kind)
ON CONFLICT DO NOTHING
