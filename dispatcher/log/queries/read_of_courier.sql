-- Events after one sequence, up to another, that settle a round or whose bytes name a courier; in order. Bytes may match
-- by chance, so the reader looks again.
SELECT body FROM event
WHERE market_id = $1 AND sequence > $2 AND sequence <= $3
    AND (position($4::bytea IN substring(body FROM 1 FOR 64)) > 0 OR position($5::bytea IN body) > 0)
ORDER BY sequence
