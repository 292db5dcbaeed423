UPDATE review_opinion SET reviewer_id = $3 WHERE market_id = $1 AND reviewer_id = $2
