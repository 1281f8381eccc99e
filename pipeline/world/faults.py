"""Controlled stochasticity: what a real service does now and then, drawn from the episode's seed.

A timeout and a lost acknowledgement look the same to the caller, which is the point: one had no effect, the other had.
The fault is recorded on the call; nobody is blamed for what they could not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import orjson

from pipeline.identity import Rng, derive_seed
from pipeline.types import FaultKind, Goal, PlannedFault, PlanStep

ERRORS: dict[FaultKind, str] = {
    "timeout": "The request timed out.",
    "lost_ack": "The request timed out.",
    "rate_limit": "Too many requests. Try again shortly.",
    "transient": "The service is temporarily unavailable (503).",
}
NO_EFFECT: frozenset[FaultKind] = frozenset({"timeout", "rate_limit", "transient"})
ON_WRITES = 0.8  # share of recover tasks with writes in which a write is struck: what is hard is a write in doubt
WEIGHTS: dict[FaultKind, int] = {"rate_limit": 1, "transient": 1, "truncated": 2, "timeout": 2, "lost_ack": 3}
TWICE = 0.25  # share in which a second fault strikes, at another tool


def draw_fault(seed: int, index: int, rates: Mapping[FaultKind, float]) -> FaultKind | None:
    """The fault that strikes call `index` of an episode, if one does. `rates`: chance per call, by kind."""
    if not rates:
        return None
    rng = Rng(derive_seed(seed, "fault", index))
    for kind in get_args(FaultKind):
        if rng.chance(rates.get(kind, 0.0)):
            return kind
    return None


def plan_faults(goals: Sequence[Goal], rng: Rng) -> tuple[PlannedFault, ...]:
    """One fault, now and then two, out of those that a careful agent can recover from on the way to these goals."""
    able = [fault for goal in goals for fault in _able(goal)]
    writes = {s.tool for goal in goals for plan in goal.plans for s in plan.steps if s.writes}
    planned: list[PlannedFault] = []
    count = 1 + rng.chance(TWICE)
    while able and len(planned) < count:
        hard = [fault for fault in able if fault.tool in writes]
        rest = [fault for fault in able if fault.tool not in writes]
        among = hard if hard and (not rest or rng.chance(ON_WRITES)) else rest
        kinds = sorted({fault.kind for fault in among})  # by kind: hardly a step can show the rarer ones
        kind = rng.weighted(kinds, [WEIGHTS[kind] for kind in kinds])
        planned.append(rng.choice([fault for fault in among if fault.kind == kind]))
        able = [fault for fault in able if fault.tool != planned[-1].tool]
    return tuple(planned)


def _able(goal: Goal) -> list[PlannedFault]:
    """The faults that can strike whichever right plan is followed, and leave it possible to end well."""
    plans = [[step for step in plan.steps if step.actor == "agent"] for plan in goal.plans]
    tools = dict.fromkeys(step.tool for step in plans[0])
    found = []
    for tool in tools:
        of_tool = [[step for step in steps if step.tool == tool] for steps in plans]
        kinds = [set.intersection(*map(_shows, steps)) if steps else set() for steps in of_tool]
        lists = all(any(step.lists for step in steps) for steps in of_tool)
        common = set.intersection(*kinds) | ({"truncated"} if lists else set())
        found += [PlannedFault(tool=tool, kind=kind) for kind in get_args(FaultKind) if kind in common]
    return found


def _shows(step: PlanStep) -> set[FaultKind]:
    """The faults from which one recovers at this call: a write in doubt needs a look-up that tells."""
    kinds: set[FaultKind] = {"rate_limit", "transient"}
    if not step.writes or step.proof is not None:
        kinds.add("timeout")
    if step.proof is not None and step.proof.whole:
        kinds.add("lost_ack")
    return kinds


class Faults:
    """The faults of one episode: those that are planned for it, and others at random.

    A planned fault strikes the first call of its tool that can show it (a page of one row is not cut short).
    """

    def __init__(
        self, seed: int, planned: Sequence[PlannedFault] = (), rates: Mapping[FaultKind, float] | None = None
    ) -> None:
        self._seed, self._planned, self._rates = seed, list(planned), rates or {}

    def due(self, index: int, tool: str) -> FaultKind | None:
        """The fault that call `index` of the episode is to meet, if any."""
        planned = next((fault.kind for fault in self._planned if fault.tool == tool), None)
        return planned or draw_fault(self._seed, index, self._rates)

    def struck(self, tool: str, kind: FaultKind | None) -> None:
        """Strike a planned fault off the list: it happened."""
        for fault in self._planned:
            if (fault.tool, fault.kind) == (tool, kind):
                self._planned.remove(fault)
                return


def truncate(result: str) -> str | None:
    """A page cut short, saying so; None when the result is no list, or one of fewer than two items."""
    value: Any = orjson.loads(result)
    if not isinstance(value, list) or len(value) < 2:
        return None
    page = [*value[: len(value) // 2], {"truncated": "The connection ended early; more rows exist."}]
    return orjson.dumps(page).decode()
