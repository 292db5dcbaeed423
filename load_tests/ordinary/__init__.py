"""Ordinary clients and couriers who use a server while something else happens to it: a fuzzer, an attack, a restart."""
