-- The fence and the rows in one statement: either this writer still holds the epoch and nothing came between, or no row is written.
WITH fence AS (
    UPDATE market SET last_sequence = $4
    WHERE market_id = $1 AND epoch = $2 AND last_sequence = $3
    RETURNING market_id
)
INSERT INTO event (market_id, sequence, time, body)
SELECT fence.market_id, added.sequence, added.time, added.body
FROM fence, unnest($5::bigint[], $6::timestamptz[], $7::bytea[]) AS added (sequence, time, body)
