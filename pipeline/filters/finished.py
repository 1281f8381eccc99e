"""Keep episodes that ran to an end of their own."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.verdicts import Record


def finished(record: Record, config: RunConfig) -> str | None:
    """Drops what a failure of agent, user, judge or domain ended; whose it was stands in `status`."""
    trajectory = record.trajectory
    return None if trajectory.status == "ok" else f"{trajectory.status}: {trajectory.failure or 'no evidence'}"
