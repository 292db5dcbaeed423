SELECT person_id, pseudonym, events FROM erasure WHERE market_id = $1
