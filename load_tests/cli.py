"""Commands of this floor, as `gig` finds them by their entry points."""

from __future__ import annotations

from load_tests.bench.command import bench
from load_tests.experiments.replay_command import replay
from load_tests.live.demo_command import demo
from load_tests.traces.command import trace

__all__ = ["bench", "demo", "replay", "trace"]
