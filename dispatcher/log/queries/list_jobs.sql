SELECT entered, body FROM job
WHERE market_id = $1 AND client_id = $2 AND entered < $3
    AND (cardinality($4::smallint[]) = 0 OR state = ANY ($4))
ORDER BY entered DESC LIMIT $5
