SELECT body FROM review WHERE market_id = $1 AND review_id = $2
