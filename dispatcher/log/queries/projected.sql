INSERT INTO projection (market_id, sequence) VALUES ($1, 0)
ON CONFLICT (market_id) DO UPDATE SET sequence = projection.sequence
RETURNING sequence
