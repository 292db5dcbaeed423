-- They know where people were. The latest one stays, whatever its age: a restart needs it.
DELETE FROM snapshot
WHERE market_id = $1 AND sequence <= $2
    AND sequence < (SELECT max(sequence) FROM snapshot WHERE market_id = $1)
