SELECT time, phase FROM courier_phase WHERE market_id = $1 AND courier_id = $2 ORDER BY sequence
