UPDATE review SET body = new.body
FROM unnest($2::text[], $3::bytea[]) AS new (review_id, body)
WHERE market_id = $1 AND review.review_id = new.review_id
