SELECT last_sequence FROM market WHERE market_id = $1
