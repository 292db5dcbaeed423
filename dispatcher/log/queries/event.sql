SELECT body FROM event WHERE market_id = $1 AND sequence = $2
