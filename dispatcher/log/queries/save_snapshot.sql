WITH saved AS (
    INSERT INTO snapshot (market_id, sequence, body, measures)
    SELECT market_id, $3, $4, $5 FROM market WHERE market_id = $1 AND epoch = $2
    ON CONFLICT DO NOTHING
)
DELETE FROM snapshot
WHERE market_id = $1 AND sequence < $3
    AND EXISTS (SELECT FROM market WHERE market_id = $1 AND epoch = $2)
