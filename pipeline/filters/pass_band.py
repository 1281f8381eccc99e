"""Keep tasks of the wanted difficulty, by how many of their attempts passed (c of n)."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config import RunConfig
from pipeline.filters.facts import RowFacts, RunFacts
from pipeline.verdicts import Record


def pass_band(config: RunConfig, facts: RunFacts) -> Callable[[Record, RowFacts], str | None]:
    """Drops rows of tasks whose passes/attempts lies outside `pass_band`, ends included. The default keeps all."""
    low, high = config.pass_band

    def judge(record: Record, row: RowFacts) -> str | None:
        inside = low * row.attempts <= row.passes <= high * row.attempts
        return None if inside else f"{row.passes} of {row.attempts} passed"

    return judge
