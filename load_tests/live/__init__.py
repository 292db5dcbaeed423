"""Live load over gRPC: couriers and clients who behave, a view of the market, the suite as a child process."""
