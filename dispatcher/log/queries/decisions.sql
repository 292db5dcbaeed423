-- Decisions about a person before the place (sequence, decision) of a page, newest first, each with its event.
SELECT decision.sequence, decision.decision_id, decision.kind, event.body
FROM decision JOIN event USING (market_id, sequence)
WHERE market_id = $1 AND person_id = $2 AND (decision.sequence, decision.decision_id) < ($3, $4)
ORDER BY decision.sequence DESC, decision.decision_id DESC LIMIT $5
