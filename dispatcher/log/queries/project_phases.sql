INSERT INTO courier_phase (market_id, courier_id, sequence, time, phase)
SELECT $1, courier_id, sequence, 'epoch'::timestamptz + micros * interval '1 microsecond', phase
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::smallint[]) AS added (courier_id, sequence, micros, phase)
ON CONFLICT DO NOTHING
