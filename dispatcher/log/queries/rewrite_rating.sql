UPDATE rating SET body = new.body
FROM unnest($2::bigint[], $3::bytea[]) AS new (sequence, body)
WHERE market_id = $1 AND rating.sequence = new.sequence
