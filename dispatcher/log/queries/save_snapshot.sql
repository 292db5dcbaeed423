-- By the market's writer alone. The latest ones stay: questions about the past are answered from the one before it.
WITH saved AS (
    INSERT INTO snapshot (market_id, sequence, body, measures)
    SELECT market_id, $3, $4, $5 FROM market WHERE market_id = $1 AND epoch = $2
    ON CONFLICT DO NOTHING
)
DELETE FROM snapshot
WHERE market_id = $1
    AND EXISTS (SELECT FROM market WHERE market_id = $1 AND epoch = $2)
    AND sequence < coalesce((
        SELECT sequence FROM snapshot WHERE market_id = $1 AND sequence < $3 ORDER BY sequence DESC OFFSET $6 LIMIT 1
    ), 0)
