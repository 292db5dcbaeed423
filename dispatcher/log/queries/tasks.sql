-- Jobs that a courier held for a time between $4 and $5, and those named.
SELECT body FROM job
WHERE market_id = $1 AND courier_id = $2 AND courier_id <> '' AND (
    job_id = ANY ($3)
    OR EXISTS (
        SELECT FROM job_history AS past
        WHERE past.market_id = $1 AND past.job_id = job.job_id
            AND past.kind IN ('courier_arrived', 'job_picked_up', 'job_completed', 'job_failed', 'offer_answered')
            AND past.time >= $4 AND past.time < $5
    )
)
ORDER BY entered
