UPDATE projection SET sequence = $3 WHERE market_id = $1 AND sequence = $2
