SELECT review_id, time, spent, outcome FROM review_opinion WHERE market_id = $1 AND reviewer_id = $2 ORDER BY sequence
