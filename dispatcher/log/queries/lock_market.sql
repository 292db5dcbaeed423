SELECT epoch FROM market WHERE market_id = $1 FOR UPDATE
