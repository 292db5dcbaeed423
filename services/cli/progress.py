"""A progress bar on standard error for commands that go through a whole log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

# Events between two updates of the bar.
UPDATE_EVERY = 1_000


@contextmanager
def progress(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar until the block ends. Yield a function that takes how many of ``total`` events are done."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=total)

        def update(done: int) -> None:
            if done % UPDATE_EVERY == 0 or done == total:
                bar.update(task, completed=done)

        yield update
