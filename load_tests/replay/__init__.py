"""Offline replay: the same Market as live, with a simulated clock."""
