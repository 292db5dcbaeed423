"""A trace against a running suite: real gRPC, many couriers from one process, latencies as clients see them."""
