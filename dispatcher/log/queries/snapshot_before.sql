SELECT body, measures FROM snapshot WHERE market_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT 1
