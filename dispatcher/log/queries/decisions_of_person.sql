SELECT decision_id, event.body FROM decision JOIN event USING (market_id, sequence)
WHERE market_id = $1 AND person_id = $2 ORDER BY decision.sequence
