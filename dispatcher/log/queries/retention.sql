SELECT sequence, places FROM retention WHERE market_id = $1 AND stage = $2
