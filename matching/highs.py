"""HiGHS, silent: what a command prints on standard output is its own."""

from __future__ import annotations

import highspy


class Highs(highspy.Highs):
    """One thread, one seed, no word. Options by name on top of these."""

    def __init__(self, **options: object) -> None:
        # Not highspy's own: it registers callbacks, at which the solver introduces itself on standard output.
        super(highspy.Highs, self).__init__()
        for name, value in {"output_flag": False, "threads": 1, "random_seed": 1, **options}.items():
            self.setOptionValue(name, value)
