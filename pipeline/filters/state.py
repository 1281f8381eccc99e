"""Keep episodes that end in one of the expected states."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.verdicts import Record


def state(record: Record, config: RunConfig) -> str | None:
    """Drops what failed the state verdict, with the first difference, and what has none: unscored is never a pass."""
    verdict = record.verdict.state
    if verdict is None:
        return "there is no state verdict"
    if verdict.passed:
        return None
    return str(verdict.differences[0]) if verdict.differences else "the final state is not an expected one"
