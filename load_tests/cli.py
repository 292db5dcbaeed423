"""Commands of this floor, as `gig` finds them by their entry points."""

from __future__ import annotations

from load_tests.behaviour.command import behaviour
from load_tests.bench.command import bench
from load_tests.experiments.calibrate_command import calibrate
from load_tests.experiments.counterfactual_command import counterfactual
from load_tests.experiments.replay_command import replay
from load_tests.experiments.sweep_command import sweep
from load_tests.live.demo_command import demo
from load_tests.load.command import load
from load_tests.traces.command import trace

__all__ = ["behaviour", "bench", "calibrate", "counterfactual", "demo", "load", "replay", "sweep", "trace"]
