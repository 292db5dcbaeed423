UPDATE event SET body = new.body
FROM unnest($2::bigint[], $3::bytea[]) AS new (sequence, body)
WHERE market_id = $1 AND event.sequence = new.sequence
