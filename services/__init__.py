"""The shell around the market: gRPC, HTTP, command line, settings and the wiring of processes."""

import os

# Before gRPC is imported. Our children are spawned, never forked: it need not prepare for forks, nor speak of them.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# gRPC's core would write a line for each refused call, so that clients without a token could fill the disk.
# A failure at the start raises an error; set GRPC_VERBOSITY=ERROR to see the rest.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
