INSERT INTO retention (market_id, stage, sequence, places) VALUES ($1, $2, $3, $4)
ON CONFLICT (market_id, stage) DO UPDATE SET sequence = excluded.sequence, places = excluded.places
