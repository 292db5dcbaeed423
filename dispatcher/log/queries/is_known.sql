SELECT
    EXISTS (SELECT FROM job WHERE market_id = $1 AND (client_id = $2 OR courier_id = $2))
    OR EXISTS (SELECT FROM courier_phase WHERE market_id = $1 AND courier_id = $2)
    OR EXISTS (SELECT FROM decision WHERE market_id = $1 AND person_id = $2)
    OR EXISTS (SELECT FROM review_opinion WHERE market_id = $1 AND reviewer_id = $2)
    OR EXISTS (SELECT FROM review WHERE market_id = $1 AND subject_id = $2)
