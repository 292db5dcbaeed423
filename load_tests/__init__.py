"""Researchers and load: traces, replay, live demonstrations, benchmarks."""

# The commands of this package in the list of `gig --help`, which imports none of them.
COMMAND_HELP = {
    "behaviour": "Show models of how people act, or fit them from a trace.",
    "bench": "Run benchmarks on this machine.",
    "calibrate": "Compare a replay with what its trace recorded.",
    "counterfactual": "Replay a market's log with one change.",
    "demo": "Play a city in your terminal for a minute.",
    "fuzz": "Send invalid input to the services and the file readers.",
    "load": "Play a trace against a running server over gRPC.",
    "replay": "Replay a recorded day under one or more policies.",
    "sweep": "Vary the parameters of a policy over a recorded day.",
    "trace": "Describe, convert, sample or generate traces.",
}
