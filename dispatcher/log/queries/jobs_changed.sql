-- That did not change afterwards.
SELECT body FROM job WHERE market_id = $1 AND sequence > $2 AND sequence <= $3
