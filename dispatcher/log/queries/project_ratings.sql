INSERT INTO rating (market_id, job_id, rater, rater_id, rated_id, sequence, body)
SELECT $1, * FROM unnest($2::text[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bytea[])
ON CONFLICT (market_id, job_id, rater) DO UPDATE SET sequence = excluded.sequence, body = excluded.body
WHERE rating.sequence < excluded.sequence
