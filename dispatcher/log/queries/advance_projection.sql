-- First in its transaction: the row's lock puts two writers in order.
UPDATE projection SET sequence = greatest(sequence, $2) WHERE market_id = $1
