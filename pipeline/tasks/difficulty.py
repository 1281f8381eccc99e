"""How much a task demands: calls, look-ups that lead to values, facts that must be asked for, goals."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.types import Goal

STEPS = (4, 7, 11, 16)  # demand from which difficulty is 2, 3, 4, 5


def demand(goals: Sequence[Goal]) -> int:
    """A count of what the gold plans need: one for each call, and more for what is hidden or refused."""
    calls = sum(len(goal.plans[0].steps) for goal in goals)
    hidden = sum(how == "asked" for goal in goals for how in goal.facts.values())
    chosen = sum(
        bool(source.where) or source.pick == "first"
        for goal in goals
        for step in goal.plans[0].steps
        for source in step.arguments.values()
    )
    refused = sum(goal.kind == "refuse" for goal in goals)
    return calls + 2 * hidden + chosen + 2 * (len(goals) - 1) + 2 * refused


def difficulty(goals: Sequence[Goal]) -> int:
    """1 (a look-up) to 5 (a long plan over many tools)."""
    return 1 + sum(demand(goals) >= bound for bound in STEPS)
