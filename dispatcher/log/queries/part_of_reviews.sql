-- Of the given reviews (id, job, decision, account in question) those about something that the person was part of:
-- a job that they asked for, held or were offered; a decision made in one event with one about them; an account that
-- they have rated, where the account itself is in question.
WITH own_job AS (
    SELECT job_id FROM job WHERE market_id = $1 AND client_id = $2
    UNION
    SELECT job_id FROM job WHERE market_id = $1 AND courier_id = $2
    UNION
    SELECT job_id FROM decision WHERE market_id = $1 AND person_id = $2 AND kind = $7 AND job_id <> ''
),
rated_account AS (
    SELECT rated_id FROM rating WHERE market_id = $1 AND rater_id = $2
),
asked AS (
    SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS given (review_id, job_id, decision_id, account)
)
SELECT review_id FROM asked
WHERE job_id IN (SELECT job_id FROM own_job)
    OR account IN (SELECT rated_id FROM rated_account)
    OR EXISTS (
        SELECT FROM decision AS disputed JOIN decision AS own USING (market_id, sequence)
        WHERE market_id = $1 AND disputed.decision_id = asked.decision_id AND own.person_id = $2
    )
