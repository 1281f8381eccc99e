"""Keep no row in which a mistake was planted and made, whatever the verdict says of it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import RunConfig
from pipeline.types import Mistake
from pipeline.verdicts import Record


def planted(record: Record, config: RunConfig) -> str | None:
    """Drops what passed although its agent erred on purpose: its count in the funnel is what the verdicts let through.

    Some of these did no harm (another of several right values was taken); none shows what an agent should learn.
    """
    made: Sequence[Mistake] = record.trajectory.mistakes
    return f"planted: {', '.join(made)}" if made else None
