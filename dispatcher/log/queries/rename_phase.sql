UPDATE courier_phase SET courier_id = $3
WHERE ctid = ANY (ARRAY(SELECT ctid FROM courier_phase WHERE market_id = $1 AND courier_id = $2 LIMIT $4))
