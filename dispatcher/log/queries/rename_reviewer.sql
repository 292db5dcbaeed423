UPDATE review_opinion SET reviewer_id = $3
WHERE ctid = ANY (ARRAY(SELECT ctid FROM review_opinion WHERE market_id = $1 AND reviewer_id = $2 LIMIT $4))
