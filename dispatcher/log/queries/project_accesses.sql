INSERT INTO access (market_id, sequence, time, role, method, subject_id)
SELECT $1, sequence, 'epoch'::timestamptz + micros * interval '1 microsecond', role, method, subject_id
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])
    AS added (sequence, micros, role, method, subject_id)
ON CONFLICT DO NOTHING
