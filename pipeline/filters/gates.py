"""Keep episodes that meet every gating criterion."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.verdicts import Record


def gates(record: Record, config: RunConfig) -> str | None:
    """Drops what missed a gating criterion, or what did not pass as a whole for want of a verdict.

    In a run judged by program alone nobody answers a criterion `by: model`: it stands unscored and gates nothing.
    """
    for score in record.verdict.scores:
        unasked = score.by == "model" and score.passed is None and config.judge == "program"
        if score.gates and score.passed is not True and not unasked:
            return f"{score.name}: {score.reason or score.choice or 'not scored'}"
    if record.verdict.passed is not True:
        return record.verdict.failure or "the verdict is not a pass"
    return None
