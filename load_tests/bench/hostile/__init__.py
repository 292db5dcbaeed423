"""Attacks on a server of its own, over loopback, and what others notice of them."""
