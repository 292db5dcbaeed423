SELECT review_id, body FROM review WHERE market_id = $1 AND position($2::bytea IN body) > 0 FOR UPDATE
