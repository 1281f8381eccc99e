"""Which part of the work list is still to be done: rectangles of tasks × attempts.

A run is asked for tasks 0 … T-1 with attempts 0 … A-1 each. A work shard is 32 neighbouring tasks; what was committed
of it is a set of rectangles. Raising T or A leaves a rest that is again a few rectangles a shard, whatever the steps
in which it was raised. Only positions count here, never a worker: that keeps shards the same on one worker and on many.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.config import SHARD_TASKS

_NAME = re.compile(r"(\d{5,})-t(\d+)-(\d+)-a(\d+)-(\d+)")


@dataclass(frozen=True, order=True)
class Work:
    """Tasks task_lo … task_hi-1 of one shard, each with attempts attempt_lo … attempt_hi-1."""

    shard: int
    task_lo: int
    task_hi: int
    attempt_lo: int
    attempt_hi: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.shard:05d}-t{self.task_lo}-{self.task_hi}-a{self.attempt_lo}-{self.attempt_hi}"

    @classmethod
    def from_name(cls, name: str) -> Work | None:
        """The inverse of `name`; None for a name that is none, or whose tasks lie outside its shard."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        work = cls(*map(int, match.groups()))
        first = work.shard * SHARD_TASKS
        inside = first <= work.task_lo < work.task_hi <= first + SHARD_TASKS and work.attempt_lo < work.attempt_hi
        return work if inside and work.name == name else None

    @property
    def tasks(self) -> range:
        return range(self.task_lo, self.task_hi)

    @property
    def attempts(self) -> range:
        return range(self.attempt_lo, self.attempt_hi)

    def covers(self, task: int, attempt: int) -> bool:
        return task in self.tasks and attempt in self.attempts

    def overlaps(self, other: Work) -> bool:
        return (
            max(self.task_lo, other.task_lo) < min(self.task_hi, other.task_hi)
            and max(self.attempt_lo, other.attempt_lo) < min(self.attempt_hi, other.attempt_hi)
        )  # fmt: skip


def remaining(tasks: int, attempts: int, done: Iterable[Work]) -> list[Work]:
    """The asked rectangle minus what is done, in work-list order; disjoint, each piece within one shard."""
    by_shard: dict[int, list[Work]] = defaultdict(list)
    for work in done:
        by_shard[work.shard].append(work)
    rest: list[Work] = []
    for shard in range(-(-tasks // SHARD_TASKS)):
        low, high = shard * SHARD_TASKS, min((shard + 1) * SHARD_TASKS, tasks)
        if shard not in by_shard:
            rest.append(Work(shard, low, high, 0, attempts))
        else:
            rest += _minus(Work(shard, low, high, 0, attempts), by_shard[shard])
    return rest


def uncovered(work: Work, done: Iterable[Work]) -> bool:
    """Whether any episode of `work` is not done."""
    return bool(_minus(work, [other for other in done if other.shard == work.shard]))


def _minus(asked: Work, done: list[Work]) -> list[Work]:
    """Neighbouring tasks that miss the same attempts make one piece for each run of attempts."""
    missing = [
        tuple(a for a in asked.attempts if not any(work.covers(task, a) for work in done)) for task in asked.tasks
    ]
    pieces: list[Work] = []
    start = 0
    for end in range(1, len(missing) + 1):
        if end < len(missing) and missing[end] == missing[start]:
            continue
        pieces += [
            Work(asked.shard, asked.task_lo + start, asked.task_lo + end, low, high)
            for low, high in _runs(missing[start])
        ]
        start = end
    return pieces


def _runs(numbers: tuple[int, ...]) -> list[tuple[int, int]]:
    """Ascending numbers as half-open ranges."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs
