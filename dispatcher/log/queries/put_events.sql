INSERT INTO event (market_id, sequence, time, body)
SELECT $1, sequence, 'epoch'::timestamptz + micros * interval '1 microsecond', body
FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS put (sequence, micros, body)
ON CONFLICT (market_id, sequence) DO UPDATE SET body = excluded.body
