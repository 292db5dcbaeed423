SELECT time, role, method FROM access WHERE market_id = $1 AND subject_id = $2 ORDER BY sequence
