"""Messages at and beyond the contract's bounds, sent to a market that must go on serving everybody else."""
