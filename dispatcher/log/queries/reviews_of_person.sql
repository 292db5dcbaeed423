SELECT body FROM review WHERE market_id = $1 AND subject_id = $2 ORDER BY opened
