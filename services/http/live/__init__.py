"""The live page: what it shows, and how it keeps up with the market."""
