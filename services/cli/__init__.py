"""The command line: gig."""
