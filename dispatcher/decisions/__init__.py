"""Decisions about people: which ones an event holds, and each explained, from the event alone."""
