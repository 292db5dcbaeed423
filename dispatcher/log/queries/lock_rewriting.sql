-- Erasure and retention rewrite the same rows: one after the other, and neither holds the market's own lock for long.
SELECT pg_advisory_xact_lock(hashtextextended($1, 7164190002))
