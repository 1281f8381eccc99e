"""Every intent drawn and every plan executed, in every world: what the rungs about intents look at.

The same machinery makes the tasks of a run (`pipeline.tasks`); here every draw is looked at, not only what the task
maker admits: what the plan changed after each of its calls, and why a draw came to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.types import canonical_json
from pipeline.check.subject import Subject, plans_of
from pipeline.domain import Intent
from pipeline.identity import Rng
from pipeline.tasks.draw import Drawer, Drawn, Drop
from pipeline.tasks.outcome import GoalRun, run_goal
from pipeline.types import Call, Cell, Change, FaultKind
from pipeline.world import Environment, Outcome, SqlEnvironment, World

DRAWS = 3  # draws of each intent in each world
YIELD = 0.25  # share of draws that must come to something; a task maker redraws, but not for ever


class Recorder:
    """An environment that keeps what was called and, after each call that wrote, what had changed by then."""

    def __init__(self, environment: SqlEnvironment) -> None:
        self._environment = environment
        self.calls: list[Call] = []
        self.changes: list[Change] = []

    def call(
        self, name: str, arguments: Mapping[str, Any], *, actor: str = "agent", fault: FaultKind | None = None
    ) -> Outcome:
        outcome = self._environment.call(name, arguments, actor=actor, fault=fault)
        if outcome.wrote:
            self.changes.append(self._environment.change())
        self.calls.append(
            Call(
                index=len(self.calls),
                turn=len(self.calls) + 1,
                actor="user" if actor == "user" else "agent",
                call_id=str(len(self.calls)),
                name=name,
                arguments=canonical_json(arguments),
                ok=outcome.ok,
                result=outcome.result,
                error=outcome.error,
                wrote=outcome.wrote,
                state_hash=outcome.state_hash,
            )
        )
        return outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._environment, name)


@dataclass
class Run:
    """One plan of one draw, as it ran: `run` is None when it was dropped, and `drop` then says why."""

    plan: str
    run: GoalRun | None = None
    drop: Drop | None = None
    calls: list[Call] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)  # after each call that wrote

    @property
    def change(self) -> Change:
        return self.changes[-1] if self.changes else Change()


@dataclass
class Trial:
    """One draw of one intent. `drop`: why nothing was drawn."""

    number: int
    intent: Intent
    drawer: Drawer
    drawn: Drawn | None = None
    drop: Drop | None = None
    runs: list[Run] = field(default_factory=list)
    forbidden: Run | None = None  # refuse: what would do as the user asks
    first: dict[str, Cell] | None = None  # change of mind: what is said first; None when nothing was drawn for it

    @property
    def bindings(self) -> dict[str, Cell]:
        assert self.drawn is not None
        return dict(self.drawn.values)


def run_plan(world: World, drawn: Drawn, name: str, *, shift: int = 0) -> Run:
    """Execute one plan of a draw in a fresh copy of the world: a right one, or what is `forbidden`."""
    plans = {plan: steps for plan, _, steps in plans_of(drawn.intent)}
    forbidden = name not in plans
    steps = drawn.intent.forbidden if forbidden else plans[name]
    environment = SqlEnvironment(world, shift=shift)
    recorder = Recorder(environment)
    found = Run(name)
    instead = {} if forbidden else {accepted: drawn.values[accepted] for accepted in drawn.accepted}
    try:
        watched: Environment = recorder
        domain = world.compiled.domain
        found.run = run_goal(watched, domain, drawn, name, steps, instead, forbidden=forbidden)
    except Drop as drop:
        found.drop = drop
    finally:
        environment.close()
    found.calls, found.changes = recorder.calls, recorder.changes
    return found


def trials_of(subject: Subject) -> Iterator[Trial]:
    """Every intent drawn and run, several times in every world."""
    for n, drawer in enumerate(subject.drawers):
        for i, intent in enumerate(subject.domain.intents):
            rng = subject.rng("trial", intent.name, n)
            for _ in range(DRAWS):
                yield _trial(i, intent, drawer, rng)


def _trial(i: int, intent: Intent, drawer: Drawer, rng: Rng) -> Trial:
    trial = Trial(i, intent, drawer)
    try:
        trial.drawn = drawer.draw(intent, rng, {})
    except Drop as drop:
        trial.drop = drop
        return trial
    trial.runs = [run_plan(drawer.world, trial.drawn, name) for name, _, _ in plans_of(intent)]
    if intent.forbidden:
        trial.forbidden = run_plan(drawer.world, trial.drawn, "forbidden")
    change = intent.change_of_mind
    if change is not None:
        with suppress(Drop):
            values = drawer.more(trial.drawn, change.draw, rng)
            trial.first = {fact: values[name.removeprefix("$")] for fact, name in change.first.items()}
    return trial
