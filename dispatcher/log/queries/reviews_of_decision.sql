SELECT body FROM review WHERE market_id = $1 AND decision_id = $2
