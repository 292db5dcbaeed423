INSERT INTO review_opinion (market_id, sequence, reviewer_id, review_id, time, spent, outcome)
SELECT
    $1, sequence, reviewer_id, review_id, 'epoch'::timestamptz + micros * interval '1 microsecond',
    spent * interval '1 microsecond', outcome
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::smallint[])
AS added (sequence, reviewer_id, review_id, micros, spent, outcome)
ON CONFLICT DO NOTHING
