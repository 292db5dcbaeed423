INSERT INTO pay_line (
    market_id, sequence, leg, time, worker_id, job_id, review_id, kind, minor_units, currency_code, rule
)
SELECT
    $1, sequence, leg, 'epoch'::timestamptz + micros * interval '1 microsecond',
    worker_id, job_id, review_id, kind, minor_units, currency_code, rule
FROM unnest(
    $2::bigint[], $3::smallint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::bigint[],
    $10::text[], $11::text[]
) AS added (sequence, leg, micros, worker_id, job_id, review_id, kind, minor_units, currency_code, rule)
ON CONFLICT DO NOTHING
