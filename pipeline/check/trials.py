"""Rungs `intents` and `grounded`: every intent is drawn and every right plan executed, in every world.

The same machinery makes the tasks of a run (`pipeline.tasks`); here every draw is looked at, not only what the task
maker admits: what the plan changed after each of its calls, and why a draw came to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.types import canonical_json
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject, plans_of, steps_of
from pipeline.config import RunConfig
from pipeline.domain import Intent
from pipeline.errors import DomainDefect
from pipeline.tasks.draw import Drawer, Drawn, Drop
from pipeline.tasks.outcome import GoalRun, run_goal
from pipeline.tasks.personas import load_personas
from pipeline.tasks.synthesize import TaskMaker
from pipeline.types import Call, Cell, Change, DroppedTask, FaultKind
from pipeline.wording import NUMBERS
from pipeline.world import Environment, FinalState, Outcome, SqlEnvironment, World

DRAWS = 4  # draws of each intent in each world
YIELD = 0.25  # share of draws that must come to something; a task maker redraws, but not for ever
QUIET = ("refuse", "irrelevant", "question")  # kinds of intent that change nothing
LATER = ("ungrounded", "unreadable")  # reasons that rungs further up speak of


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

    @property
    def bindings(self) -> dict[str, Cell]:
        assert self.drawn is not None
        return dict(self.drawn.values)


def run_plan(world: World, drawn: Drawn, name: str, *, shift: int = 0) -> Run:
    """Execute one plan of a draw in a fresh copy of the world."""
    steps = {plan: steps for plan, _, steps in plans_of(drawn.intent)}[name]
    environment = SqlEnvironment(world, shift=shift)
    recorder = Recorder(environment)
    found = Run(name)
    instead = {accepted: drawn.values[accepted] for accepted in drawn.accepted}
    try:
        watched: Environment = recorder
        found.run = run_goal(watched, world.compiled.domain, drawn, name, steps, instead)
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
                trial = Trial(i, intent, drawer)
                try:
                    trial.drawn = drawer.draw(intent, rng, {})
                except Drop as drop:
                    trial.drop = drop
                else:
                    trial.runs = [run_plan(drawer.world, trial.drawn, name) for name, _, _ in plans_of(intent)]
                yield trial


# ---------------------------------------------------------------- intents


def intents(subject: Subject) -> Found:
    """Every intent comes to tasks, its plans do what its checks say, and nothing less does."""
    refusals: list[Refusal] = []
    try:
        subject.trials = list(trials_of(subject))
        for i, intent in enumerate(subject.domain.intents):
            mine = [trial for trial in subject.trials if trial.number == i]
            found = list(_verdicts(subject, i, intent, mine))
            refusals += found or list(_tasks(subject, i, intent))
    except DomainDefect as defect:
        where = subject.at("intents.yaml")
        return Found("", [Refusal(where, "intents", str(defect), "Mend the statement or the tool that it names.")])
    refusals += _refusals_are_real(subject)
    runs = sum(run.run is not None for trial in subject.trials for run in trial.runs)
    return Found(f"{len(subject.trials)} draws, {runs} plans executed", refusals)


def _verdicts(subject: Subject, i: int, intent: Intent, trials: list[Trial]) -> Iterator[Refusal]:
    rung = "intents"

    def refuse(what: str, remedy: str, *path: str | int) -> Refusal:
        return Refusal(subject.at("intents.yaml", i, *path), rung, f"{intent.name}: {what}", remedy)

    reasons: Counter[str] = Counter()
    details: dict[str, str] = {}
    good = 0
    told: set[str] = set()  # each complaint once an intent: one trial shows it as well as ten
    for trial in trials:
        drop = trial.drop or trial.runs[0].drop
        if drop is None and _holds(trial, Change()):
            drop = Drop("solved_already", "its checks hold before anything was done")
        if drop is not None:
            reasons[drop.reason] += 1
            details[drop.reason] = str(drop)
            continue
        good += 1
        for run, (name, path, _) in zip(trial.runs, plans_of(intent), strict=True):
            if run.run is None:
                continue
            for key, refusal in _effects(trial, run, name, path, refuse):
                if key not in told:
                    told.add(key)
                    yield refusal
    later = sum(reasons[reason] for reason in LATER)
    if good < YIELD * (len(trials) - later):
        reason = max((r for r in reasons if r not in LATER), key=lambda r: reasons[r])
        place = ("gold",) if reason == "gold_refused" else ("checks",) if reason == "solved_already" else ("draw",)
        what = f"only {good} of {len(trials)} draws come to a task; mostly {reason}: {details[reason]}"
        yield refuse(what, "Draw only what can be done and is not done yet; say how ties are decided.", *place)
    for n, (name, path, _) in enumerate(plans_of(intent)):
        ran = [trial.runs[n] for trial in trials if trial.runs]
        drops = [run.drop for run in ran if run.drop is not None]
        if n and ran and len(drops) == len(ran) and drops[0].reason not in LATER:
            remedy = "Mend the plan, or take it out."
            yield refuse(f"{name} never runs: {drops[0]}", remedy, *path)


def _effects(
    trial: Trial, run: Run, name: str, path: tuple[str | int, ...], refuse: Any
) -> Iterator[tuple[str, Refusal]]:
    """What one executed plan shows that it should not, each with a key."""
    intent = trial.intent
    writes = [call for call in run.calls if call.wrote]
    kind = ("an " if intent.kind == "irrelevant" else "a ") + intent.kind
    if intent.kind in QUIET:
        if writes:
            what = f"{name}: {writes[0].name} writes, and {kind} intent changes nothing"
            yield f"{name} writes", refuse(what, "Take the call out, or make it another kind of intent.", *path)
        if intent.checks:
            what = f"{kind} intent has no checks: nothing changes"
            yield "has checks", refuse(what, "Take the checks out: `answers` and `rule` say it.", "checks")
        if intent.kind == "refuse":
            rule = trial.drawer.world.compiled.domain.rules[intent.rule or ""]
            if rule.violated is not None:
                with FinalState(trial.drawer.world, run.change, run.calls) as end:
                    if end.check(rule.violated):
                        what = f"{name} itself violates {intent.rule}"
                        yield f"{name} violates", refuse(what, "Mend the plan, or the rule's `violated:`.", *path)
        return
    if not writes:
        what = f"{name} changes nothing, and the intent is no question"
        yield f"{name} idle", refuse(what, "Plan a call that writes, or make it `kind: question`.", *path)
    if not intent.checks:
        what = "it changes state and has no check"
        yield "no checks", refuse(what, "Say in `checks:` what must hold afterwards.")
        return
    for n, change in enumerate(run.changes[:-1], 1):
        if _holds(trial, change):
            last = writes[n - 1].name
            what = f"{name}: the checks hold already after {n} of {len(writes)} writes ({last})"
            yield f"{name} early", refuse(what, "Let a check ask for what the later calls write.", "checks")
            break
    with FinalState(trial.drawer.world, run.change, run.calls) as end:
        for k, sql in enumerate(intent.checks):
            if not end.check(sql, trial.bindings):
                what = f"{name}: a check is false after the plan: {sql.strip()}"
                yield f"check {k} {name}", refuse(what, "Mend the check, or the plan.", "checks", k)
        for broken in end.broken_invariants():
            what = f"{name} breaks the invariant {broken!r}"
            yield f"invariant {broken}", refuse(what, "Mend the effects of the tools that it calls.", *path)


def _holds(trial: Trial, change: Change) -> bool:
    """Whether all checks of an intent (at least one) hold once this has changed."""
    if not trial.intent.checks:
        return False
    if change.empty:
        return all(trial.drawer.start.check(sql, trial.bindings) for sql in trial.intent.checks)
    with FinalState(trial.drawer.world, change) as state:
        return all(state.check(sql, trial.bindings) for sql in trial.intent.checks)


def _tasks(subject: Subject, i: int, intent: Intent) -> Iterator[Refusal]:
    """The task maker itself, given this intent alone, makes a task in each world."""
    domain = subject.domain.model_copy(update={"intents": (intent,)})
    config = RunConfig(domains=(domain.name,), kinds={intent.kind: 1})
    maker = TaskMaker(replace(subject.compiled, domain=domain), config, load_personas())
    dropped = []
    for n, drawer in enumerate(subject.drawers):
        task = maker.make(drawer, n, n)
        if isinstance(task, DroppedTask):
            dropped.append(task)
    if len(dropped) == len(subject.drawers) and dropped[0].reason not in LATER:
        what = f"{intent.name}: no task comes of it: {dropped[0].reason}: {dropped[0].detail}"
        yield Refusal(subject.at("intents.yaml", i), "intents", what, "Mend what the reason names.")


def _refusals_are_real(subject: Subject) -> Iterator[Refusal]:
    """At least half of the refuse intents need the agent's judgement: else its tools refuse for it."""
    refusing = [(i, intent) for i, intent in enumerate(subject.domain.intents) if intent.kind == "refuse"]
    by_agent = [intent for _, intent in refusing if subject.domain.rules[intent.rule or ""].by == "agent"]
    if 2 * len(by_agent) < len(refusing):
        i, _ = next((i, intent) for i, intent in refusing if subject.domain.rules[intent.rule or ""].by == "tool")
        what = f"{len(by_agent)} of {len(refusing)} refuse intents target rules `by: agent`; at least half must"
        where = subject.at("intents.yaml", i, "rule")
        yield Refusal(where, "intents", what, "Add refuse intents for rules that the tools do not enforce.")


# ---------------------------------------------------------------- grounded


def grounded(subject: Subject) -> Found:
    """Every value of a right plan could be known: told, seen, or written where the agent reads it."""
    rung = "grounded"
    refusals: list[Refusal] = []
    for i, intent in enumerate(subject.domain.intents):
        mine = [trial for trial in subject.trials if trial.number == i]
        for n, (name, path, _) in enumerate(plans_of(intent)):
            ran = [trial.runs[n] for trial in mine if trial.runs]
            lost = [run.drop for run in ran if run.drop is not None and run.drop.reason == "ungrounded"]
            if lost and len(lost) > (1 - YIELD) * len(ran):
                what = f"{intent.name}/{name}: {lost[0]} ({len(lost)} of {len(ran)} draws)"
                remedy = "Tell it as a fact, or plan a call before it whose result shows it."
                refusals.append(Refusal(subject.at("intents.yaml", i, *path), rung, what, remedy))
    arguments, constants = 0, list(_constants(subject))
    for _, _, _, _, step, _ in steps_of(subject.domain):
        arguments += len(step.arguments)
    refusals += [refusal for refusal in constants if refusal is not None]
    return Found(f"{arguments} arguments traced, {len(constants)} of them constants", refusals)


def _constants(subject: Subject) -> Iterator[Refusal | None]:
    """Each literal of a plan; with a refusal where an agent has no way to know it."""
    for i, intent, plan, path, step, tool in steps_of(subject.domain):
        for name, value in step.arguments.items():
            if isinstance(value, str) and (value.startswith("$") or "{{" in value):
                continue
            schema = tool.parameters[name] if tool is not None else {}
            if _chosen(schema, value) or _read(subject, intent, value) or _free_text(subject, i, plan, value):
                yield None
                continue
            what = f"{intent.name}/{plan}: {step.tool}: {name} is {value!r}, which nobody says"
            remedy = "Say it in the policy or in every phrasing, draw it as a fact, or make it one of an enum."
            yield Refusal(subject.at("intents.yaml", *path, name), "grounded", what, remedy)


def _chosen(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the tool's own schema offers the value."""
    if isinstance(value, bool) or value is None or value in schema.get("enum", ()):
        return True
    if isinstance(value, list):
        return all(_chosen(schema.get("items", {}), part) for part in value)
    return "default" in schema and schema["default"] == value


def _read(subject: Subject, intent: Intent, value: Any) -> bool:
    """Whether the policy says it, or every phrasing of every language."""
    if isinstance(value, list):
        return all(_read(subject, intent, part) for part in value)
    said = {str(value).casefold()}
    if isinstance(value, int):
        said |= {NUMBERS[value]} if 0 <= value < len(NUMBERS) else set()
        said |= {f"{value // 100:,}.{value % 100:02}"} if value > 0 else set()
    texts = [t for group in (intent.phrasings, intent.followups) for them in group.values() for t in them]
    return any(all(word in text.casefold() for text in texts) for word in said) or any(
        word in subject.domain.policy.casefold() for word in said
    )


def _free_text(subject: Subject, number: int, plan: str, value: Any) -> bool:
    """Whether it ends up only in columns that are compared as text: wording is the agent's own."""
    shapes = subject.compiled.shapes
    modes: set[str | None] = set()
    for trial in subject.trials:
        for run in trial.runs if trial.number == number else ():
            if run.plan == plan:
                cells = [(r.table, c, v) for r in run.change.inserts for c, v in r.row.items()]
                cells += [(u.table, u.column, u.after) for u in run.change.updates]
                modes |= {shapes[table].compare.get(column) for table, column, cell in cells if cell == value}
    return modes == {"text"}
