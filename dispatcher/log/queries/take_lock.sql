-- Waits as long as the session's lock_timeout says.
SELECT pg_advisory_lock(hashtextextended($1, 7164190003))
