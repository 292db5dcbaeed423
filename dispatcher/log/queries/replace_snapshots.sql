-- The rewritten one stands for all before it, which name the person.
WITH dropped AS (
    DELETE FROM snapshot WHERE market_id = $1 AND sequence <> $2
)
UPDATE snapshot SET body = $3, measures = $4 WHERE market_id = $1 AND sequence = $2
