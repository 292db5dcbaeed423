"""Who calls, proved by a token; what each may do, in one table; how much, by limits; and who looked at whom."""
