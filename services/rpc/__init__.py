"""gRPC: one module a service, and one place each for checks, errors and handlers."""
