-- Events of a stretch that may name a person, and those of the person's jobs, which hold the names of places.
SELECT sequence, body FROM event
WHERE market_id = $1 AND sequence > $2 AND sequence <= $3 AND (
    position($4::bytea IN body) > 0
    OR position($5::bytea IN body) > 0
    OR position($6::bytea IN body) > 0
    OR position($7::bytea IN body) > 0
    OR sequence IN (
        SELECT sequence FROM job_history
        WHERE market_id = $1 AND job_id = ANY ($8::text[]) AND sequence > $2 AND sequence <= $3
    )
)
ORDER BY sequence
