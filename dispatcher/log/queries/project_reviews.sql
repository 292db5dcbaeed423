INSERT INTO review (market_id, review_id, subject_id, decision_id, opened, sequence, decided, body)
SELECT $1, * FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::boolean[], $8::bytea[]
)
ON CONFLICT (market_id, review_id) DO UPDATE
SET sequence = excluded.sequence, decided = excluded.decided, body = excluded.body
WHERE review.sequence < excluded.sequence
