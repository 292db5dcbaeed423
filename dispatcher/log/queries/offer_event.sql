-- The event that made the nth offer of a job.
SELECT event.body FROM job_history
JOIN event USING (market_id, sequence)
WHERE market_id = $1 AND job_id = $2 AND kind = 'offer_made'
ORDER BY sequence OFFSET $3 LIMIT 1
