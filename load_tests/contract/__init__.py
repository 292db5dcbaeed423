"""The contract as data: what each field may hold, read from the descriptors and their buf.validate rules."""
