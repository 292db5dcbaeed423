"""Where things are: travel times, zones, H3 cells and the live index of couriers. Pure; no I/O."""
