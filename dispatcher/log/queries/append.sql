-- The fence and the rows in one statement: either this writer still holds the epoch and nothing came between, or no row is written.
WITH fence AS (
    UPDATE market SET last_sequence = $4
    WHERE market_id = $1 AND epoch = $2 AND last_sequence = $3
    RETURNING market_id
)
INSERT INTO event (market_id, sequence, time, body)
SELECT
    fence.market_id,
    $3 + added.ordinal,
    'epoch'::timestamptz + added.micros * interval '1 microsecond',
    added.body
FROM fence, unnest($5::bigint[], $6::bytea[]) WITH ORDINALITY AS added (micros, body, ordinal)
