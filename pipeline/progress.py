"""What a person sees while a run works: counts, rate, acceptance and time left.

A live line on a terminal, a plain line now and then in a log. It only listens to receipts; nothing depends on it.
"""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from pipeline.stages import Receipt

EVERY = 10.0  # seconds between the lines of a log


class RunProgress:
    """Counts receipts and shows them; a context manager. `total`: episodes that are to be done."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self.done = self.accepted = self.recovered = self.undone = self.tasks_dropped = 0
        self._start = self._shown = time.monotonic()
        columns: tuple[ProgressColumn, ...] = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[more]}"),
            TimeRemainingColumn(),
        )
        self._live = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        self._task = self._live.add_task("episodes", total=total, more="") if self._live else TaskID(0)

    def __enter__(self) -> RunProgress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def take(self, receipt: Receipt) -> None:
        """Count a receipt and show what changed."""
        if receipt.event in ("episode", "recovered"):
            self.done += 1
            self.accepted += receipt.accepted
            self.recovered += receipt.event == "recovered"
        elif receipt.event == "dropped":
            self.tasks_dropped += 1
        elif receipt.event == "undone":
            self.undone += 1
        else:
            return
        now = time.monotonic()
        rate = (self.done - self.recovered) / max(1e-9, now - self._start)
        accepted = f"{100 * self.accepted / self.done:.0f} % accepted" if self.done else ""
        more = f"{rate:.0f}/s  {accepted}"
        if self._live:
            self._live.update(self._task, completed=self.done, more=more)
        elif now - self._shown >= EVERY:
            self._shown = now
            left = (self._total - self.done) / rate if rate else 0
            self._console.print(f"{self.done}/{self._total} episodes  {more}  about {left:.0f} s left", highlight=False)
