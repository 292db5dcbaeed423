-- People whose ids begin with a text.
SELECT client_id AS id FROM job WHERE market_id = $1 AND starts_with(client_id, $2)
UNION SELECT courier_id FROM courier_phase WHERE market_id = $1 AND starts_with(courier_id, $2)
UNION SELECT person_id FROM decision WHERE market_id = $1 AND starts_with(person_id, $2)
UNION SELECT reviewer_id FROM review_opinion WHERE market_id = $1 AND starts_with(reviewer_id, $2)
