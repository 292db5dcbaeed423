UPDATE access SET subject_id = $3 WHERE market_id = $1 AND subject_id = $2
