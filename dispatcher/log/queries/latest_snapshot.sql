SELECT body, measures FROM snapshot WHERE market_id = $1 ORDER BY sequence DESC LIMIT 1
