UPDATE rating SET rater_id = new.rater_id, rated_id = new.rated_id, body = new.body
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bytea[]) AS new (sequence, rater_id, rated_id, body)
WHERE market_id = $1 AND rating.sequence = new.sequence
