DELETE FROM snapshot WHERE market_id = $1 AND sequence >= $2
