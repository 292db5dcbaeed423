-- Every event that holds the id anywhere, and those of the person's jobs, which hold the names of places.
SELECT sequence, body FROM event
WHERE market_id = $1 AND (
    position($2::bytea IN body) > 0
    OR sequence IN (SELECT sequence FROM job_history WHERE market_id = $1 AND job_id = ANY ($3::text[]))
)
