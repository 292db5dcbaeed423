SELECT sequence FROM snapshot WHERE market_id = $1 ORDER BY sequence DESC
