INSERT INTO market (market_id, epoch) VALUES ($1, 1)
ON CONFLICT (market_id) DO UPDATE SET epoch = market.epoch + 1
RETURNING epoch, last_sequence, pg_notify('gig_writer', market_id)
