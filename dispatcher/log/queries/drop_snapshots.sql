DELETE FROM snapshot WHERE market_id = $1
