"""Who gets what: postings of each money event, which sum to zero, and the guaranteed floor of a shift."""
