"""Mistakes on purpose: which there are, where each can be made, and which one an episode gets.

What an agent that errs then does is in `erring`; the wrong values that it takes are in `spoil`. Which verdict each
mistake must meet is a table in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

from pipeline.identity import Rng
from pipeline.rollout.spoil import is_entity
from pipeline.sources import seen_in
from pipeline.types import Goal, Mistake, Plan, PlannedFault, PlanStep
from pipeline.world.faults import NO_EFFECT

PLANTED: tuple[Mistake, ...] = get_args(Mistake)
DECLINED = ("refuse", "irrelevant")


class Slip(NamedTuple):
    """One planned mistake: of which kind, in which goal, at which of its places (modulo their number).

    `tool`: for a fault that is ignored, the tool that it strikes.
    """

    kind: Mistake
    goal: int
    point: int
    tool: str = ""


def plan_slip(goals: Sequence[Goal], rate: float, rng: Rng, faults: Sequence[PlannedFault] = ()) -> Slip | None:
    """The mistake of an episode, with chance `rate`; None too where no mistake fits its goals.

    `faults`: what is to strike in the episode: without one there is none to ignore.
    """
    if not rng.chance(rate):
        return None
    fitting = [(kind, n) for n, goal in enumerate(goals) for kind in PLANTED if fits(kind, goal, faults)]
    if not fitting:
        return None
    kind = rng.choice(sorted({kind for kind, _ in fitting}))
    return make_slip(kind, goals, rng.choice([n for k, n in fitting if k == kind]), rng, faults)


def make_slip(kind: Mistake, goals: Sequence[Goal], goal: int, rng: Rng, faults: Sequence[PlannedFault] = ()) -> Slip:
    """A mistake of this kind in a goal that it fits."""
    struck = _unheeded(goals[goal], faults)
    tool = rng.choice(struck) if kind == "ignored_fault" and struck else ""
    return Slip(kind, goal, rng.below(64), tool)


def fits(kind: Mistake, goal: Goal, faults: Sequence[PlannedFault] = ()) -> bool:
    """Whether this mistake can be made on the way to this goal."""
    steps = goal.plans[0].steps
    if goal.kind in DECLINED:
        return kind == "policy_violation" and goal.forbidden is not None
    writes = own_writes(steps)
    match kind:
        case "policy_violation":
            return any(step.confirm for step in writes)
        case "skipped_lookup":
            return any(decisive(plan, goal.answers) for plan in goal.plans)
        case "wrong_answer":
            return bool(goal.answers)
        case "premature_done":
            return goal.kind == "question" or any(step.writes for step in steps)
        case "invented_id" | "wrong_entity":
            return any(is_entity(name) for step in writes for name in step.arguments)
        case "ignored_fault":
            return bool(_unheeded(goal, faults))
        case "missing_write" | "wrong_argument" | "extra_write" | "repeated_call" | "malformed_call":
            return bool(writes)


def own_writes(steps: Sequence[PlanStep]) -> list[PlanStep]:
    """The writing calls that the agent itself makes."""
    return [step for step in steps if step.writes and step.actor == "agent"]


def decisive(plan: Plan, answers: Sequence[str]) -> list[PlanStep]:
    """The look-ups whose results decide something: a value of a write (its free texts apart), or an answer."""
    wanted = {label.partition(".")[0] for label in answers}
    wanted |= {name for label in wanted if label in plan.finds for name in seen_in(plan.finds[label])}
    for step in plan.steps:
        if step.writes:
            wanted |= {name for s in step.arguments.values() if s.by != "text" for name in seen_in(s)}
    return [step for step in plan.steps if not step.writes and step.actor == "agent" and step.key in wanted]


def _unheeded(goal: Goal, faults: Sequence[PlannedFault]) -> list[str]:
    """The tools at whose writes a fault without effect strikes, whichever plan is followed."""
    tools = [{step.tool for step in own_writes(plan.steps)} for plan in goal.plans]
    return [fault.tool for fault in faults if fault.kind in NO_EFFECT and all(fault.tool in each for each in tools)]
