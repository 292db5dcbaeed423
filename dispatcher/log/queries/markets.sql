SELECT market_id FROM market ORDER BY market_id
