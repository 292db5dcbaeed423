-- Decisions about a person before the place (sequence, kind, decision) of a page, newest first, each with its event.
SELECT decision.sequence, decision.decision_id, decision.kind, event.body
FROM decision JOIN event USING (market_id, sequence)
WHERE market_id = $1 AND person_id = $2 AND (decision.sequence, decision.kind, decision.decision_id) < ($3, $4, $5)
ORDER BY decision.sequence DESC, decision.kind DESC, decision.decision_id DESC LIMIT $6
