INSERT INTO decision (market_id, sequence, person_id, decision_id, kind, job_id)
SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::smallint[], $6::text[])
ON CONFLICT DO NOTHING
