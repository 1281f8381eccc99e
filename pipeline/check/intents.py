"""Rung `intents`: every intent comes to tasks, its plans do what its checks say, and nothing less does.

The same machinery makes the tasks of a run (`pipeline.tasks`); here every draw is looked at, not only what the task
maker admits: what the plan changed after each of its calls, and why a draw came to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline.check.kinds import forbidden_is_forbidden, minds_change, refusals_are_real
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject, plans_of
from pipeline.check.trials import YIELD, Run, Trial, trials_of
from pipeline.config import RunConfig
from pipeline.domain import Intent, Kind
from pipeline.errors import DomainDefect
from pipeline.tasks.draw import Drop
from pipeline.tasks.personas import load_personas
from pipeline.tasks.synthesize import TaskMaker
from pipeline.types import Change, DroppedTask, Task
from pipeline.world import FinalState

RUNG = "intents"
QUIET = ("refuse", "irrelevant", "question")  # kinds of intent that change nothing
LATER = ("ungrounded", "unreadable")  # reasons that rungs further up speak of


def intents(subject: Subject) -> Found:
    """Every intent comes to tasks, its plans do what its checks say, and nothing less does."""
    refusals: list[Refusal] = []
    try:
        subject.trials = list(trials_of(subject))
        kinds = {intent.kind: 1 for intent in subject.domain.intents}
        config = RunConfig(domains=(subject.domain.name,), kinds=kinds)
        maker = TaskMaker(subject.compiled, config, load_personas())
        for i, intent in enumerate(subject.domain.intents):
            mine = [trial for trial in subject.trials if trial.number == i]
            found = list(_verdicts(subject, i, intent, mine))
            refusals += found or list(_tasks(subject, maker, i, intent))
    except DomainDefect as defect:
        where = subject.at("intents.yaml")
        return Found("", [Refusal(where, RUNG, str(defect), "Mend the statement or the tool that it names.")])
    refusals += refusals_are_real(subject)
    runs = sum(run.run is not None for trial in subject.trials for run in trial.runs)
    return Found(f"{len(subject.trials)} draws, {runs} plans executed", refusals)


def _verdicts(subject: Subject, i: int, intent: Intent, trials: list[Trial]) -> Iterator[Refusal]:
    def refuse(what: str, remedy: str, *path: str | int) -> Refusal:
        return Refusal(subject.at("intents.yaml", i, *path), RUNG, f"{intent.name}: {what}", remedy)

    reasons: Counter[str] = Counter()
    details: dict[str, str] = {}
    good = 0
    seen: set[str] = set()
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
            first = name not in seen  # whole ledgers are summed once a plan
            seen.add(name)
            for key, refusal in _effects(trial, run, name, path, refuse, invariants=first):
                if key not in told:
                    told.add(key)
                    yield refusal
    later = sum(reasons[reason] for reason in LATER)
    if good < YIELD * (len(trials) - later):
        reason = max((r for r in reasons if r not in LATER), key=lambda r: reasons[r])
        place = ("gold",) if reason == "gold_refused" else ("checks",) if reason == "solved_already" else ("draw",)
        what = f"only {good} of {len(trials)} draws come to a task; mostly {reason}: {details[reason]}"
        yield refuse(what, "Draw only what can be done and is not done yet; say how ties are decided.", *place)
    if intent.kind == "refuse":
        yield from forbidden_is_forbidden(subject, i, intent, trials)
    if intent.change_of_mind is not None:
        yield from minds_change(subject, i, intent, trials)
    for n, (name, path, _) in enumerate(plans_of(intent)):
        ran = [trial.runs[n] for trial in trials if trial.runs]
        drops = [run.drop for run in ran if run.drop is not None]
        if n and ran and len(drops) == len(ran) and drops[0].reason not in LATER:
            remedy = "Mend the plan, or take it out."
            yield refuse(f"{name} never runs: {drops[0]}", remedy, *path)


def _effects(
    trial: Trial, run: Run, name: str, path: tuple[str | int, ...], refuse: Any, *, invariants: bool
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
        for broken in end.broken_invariants() if invariants else ():
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


def _tasks(subject: Subject, maker: TaskMaker, i: int, intent: Intent) -> Iterator[Refusal]:
    """The task maker itself makes a task of this intent, and one in which the user's mind changes if it can."""
    kinds: list[tuple[Kind, str]] = [(intent.kind, "no task comes of it")]
    if intent.change_of_mind is not None:
        kinds.append(("change_of_mind", "no task comes of it in which the mind is changed"))
    for kind, what in kinds:
        task: Task | DroppedTask | None = None
        for n, drawer in enumerate(subject.drawers):
            task = maker.of(drawer, kind, [intent.name], n)
            if isinstance(task, Task):
                break
        if isinstance(task, DroppedTask) and task.reason not in LATER:
            where = subject.at("intents.yaml", i, *(["change_of_mind"] if kind != intent.kind else []))
            yield Refusal(where, RUNG, f"{intent.name}: {what}: {task.detail}", "Mend what the reason names.")
