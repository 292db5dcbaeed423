"""The shell around the market: gRPC, HTTP, command line, settings and the wiring of processes."""
