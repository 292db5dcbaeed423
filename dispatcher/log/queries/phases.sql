-- How a courier's time was spent from $3 on, before $4: a phase lasts until the next one begins. A step that was reported
-- late begins its phase when it happened, but not before the step that was reported before it.
WITH begun AS (
    SELECT phase, sequence, max(time) OVER (ORDER BY sequence) AS start
    FROM courier_phase
    WHERE market_id = $1 AND courier_id = $2
),
spell AS (
    SELECT phase, start, lead(start, 1, $4) OVER (ORDER BY sequence) AS finish FROM begun
)
SELECT phase, sum(least(finish, $4) - greatest(start, $3)) AS spent
FROM spell WHERE phase > 0 AND finish > $3 AND start < $4
GROUP BY phase
