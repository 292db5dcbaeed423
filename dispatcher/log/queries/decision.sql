-- The last event that made this decision; about one person, or about anybody where $3 is empty.
SELECT decision.person_id, decision.kind, event.body
FROM decision JOIN event USING (market_id, sequence)
WHERE market_id = $1 AND decision_id = $2 AND ($3 = '' OR person_id = $3)
ORDER BY decision.sequence DESC LIMIT 1
