SELECT review_id, time, spent, outcome FROM review_opinion
WHERE market_id = $1 AND reviewer_id = $2 AND time >= $3 AND time < $4
ORDER BY sequence
