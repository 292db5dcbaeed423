"""Offline replay of any trace: the same Market as live, with a simulated clock, and people who act by models."""
