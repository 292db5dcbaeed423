-- First in its transaction: the row's lock puts two writers in order. No row where the tables are behind what this
-- writer has written.
UPDATE projection SET sequence = greatest(sequence, $2) WHERE market_id = $1 AND sequence >= $3
