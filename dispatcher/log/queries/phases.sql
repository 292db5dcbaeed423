-- How a courier's time was spent from $3 on, before $4: a phase lasts until the next one begins.
WITH spell AS (
    SELECT phase, time AS start, lead(time, 1, $4) OVER (ORDER BY sequence) AS finish
    FROM courier_phase
    WHERE market_id = $1 AND courier_id = $2 AND time < $4
)
SELECT phase, sum(least(finish, $4) - greatest(start, $3)) AS spent
FROM spell WHERE phase > 0 AND finish > $3
GROUP BY phase
