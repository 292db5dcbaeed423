"""Scores from ratings. Pure."""
