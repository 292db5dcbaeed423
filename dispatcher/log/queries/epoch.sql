SELECT epoch FROM market WHERE market_id = $1
