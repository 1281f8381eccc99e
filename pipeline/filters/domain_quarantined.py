"""Reject every row of a domain in which a defect was found: what else it got wrong is unknown."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config import RunConfig
from pipeline.filters.facts import RowFacts, RunFacts
from pipeline.verdicts import Record


def domain_quarantined(config: RunConfig, facts: RunFacts) -> Callable[[Record, RowFacts], str | None]:
    """One `domain_defect` among a domain's episodes is enough."""

    def judge(record: Record, row: RowFacts) -> str | None:
        count = facts.defects.get(record.task.domain, 0)
        return f"{count} episodes of {record.task.domain} ended in a domain defect" if count else None

    return judge
