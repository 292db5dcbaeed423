INSERT INTO pay_line (market_id, sequence, leg, time, courier_id, job_id, kind, minor_units, currency_code)
SELECT
    $1, sequence, leg, 'epoch'::timestamptz + micros * interval '1 microsecond',
    courier_id, job_id, kind, minor_units, currency_code
FROM unnest(
    $2::bigint[], $3::smallint[], $4::bigint[], $5::text[], $6::text[], $7::smallint[], $8::bigint[], $9::text[]
) AS added (sequence, leg, micros, courier_id, job_id, kind, minor_units, currency_code)
ON CONFLICT DO NOTHING
