-- One that has rewritten the log already keeps its pseudonym.
INSERT INTO erasure (market_id, person_id, pseudonym) VALUES ($1, $2, $3)
ON CONFLICT (market_id, person_id) DO UPDATE
SET pseudonym = CASE WHEN erasure.events IS NULL THEN excluded.pseudonym ELSE erasure.pseudonym END
RETURNING pseudonym, events
