"""How much a task demands, counted from what its right plans need and from what stands in the way.

Calls are what most effort goes into. To them come: look-ups that lead to values (a row must be found by what is known),
other rows among which the right one must be told apart, facts that must be asked for, further requests, refusals (the
user insists), steps that the user takes on their own side, a change of mind, and faults that will strike. Tests hold
the count against what the expert does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.domain import Kind
from pipeline.types import Goal, Plan, Source

STEPS = (4, 6, 8, 12)  # demand from which difficulty is 2, 3, 4, 5


def demand(goals: Sequence[Goal], kind: Kind) -> int:
    """What a task demands, as a count; a call is one. `kind`: the task's."""
    return sum(map(_demand, goals)) + 2 * (len(goals) - 1) + 3 * (kind == "recover")


def difficulty(goals: Sequence[Goal], kind: Kind) -> int:
    """1 (a look-up) to 5 (a long plan over many tools)."""
    return 1 + sum(demand(goals, kind) >= bound for bound in STEPS)


def _demand(goal: Goal) -> int:
    plan = goal.plans[0]
    lists = {step.key for step in plan.steps if step.lists}
    found = [source for source in _sources(plan) if source.where or source.pick == "first"]
    hidden = sum(how == "asked" for how in goal.facts.values())
    by_user = sum(step.actor == "user" for step in plan.steps)
    apart = sum(source.name in lists for source in found)
    before_yes = next((i for i, step in enumerate(plan.steps) if step.confirm), 0)
    again = (
        2 + before_yes // 2 if goal.reversal is not None else 0
    )  # what was looked up for the first wish is half lost
    declined = 2 if goal.kind == "refuse" else 1 if goal.kind == "irrelevant" else 0
    return len(plan.steps) + by_user + hidden + (len(found) + apart) // 2 + again + declined


def _sources(plan: Plan) -> Iterator[Source]:
    for step in plan.steps:
        yield from step.arguments.values()
    yield from plan.finds.values()
