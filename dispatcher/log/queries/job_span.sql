-- From a job's first event to its last, and whether it has ended (8 and above are ends).
SELECT
    min(job_history.sequence) AS first,
    max(job_history.sequence) FILTER (WHERE kind NOT IN ('job_rated', 'tip_added')) AS last,
    bool_or(job.state >= 8) AS ended
FROM job_history JOIN job USING (market_id, job_id)
WHERE market_id = $1 AND job_id = $2
