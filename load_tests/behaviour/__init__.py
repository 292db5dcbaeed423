"""How couriers and clients act in a replay: each model small, seeded, with its source."""
