SELECT sequence, time, job_id, review_id, kind, minor_units, currency_code, rule FROM pay_line
WHERE market_id = $1 AND worker_id = $2
    AND ($3::timestamptz IS NULL OR time >= $3) AND ($4::timestamptz IS NULL OR time < $4)
    AND ($5 = '' OR job_id = $5)
ORDER BY sequence, leg
