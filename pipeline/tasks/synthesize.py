"""Tasks from worlds: kind, intents and values drawn; gold executed for real; the story told around it.

Task i of a domain is a function of the domain, the run's seed and i. Solvable by construction (the gold ran), not
solved already (its checks were false before), fair (every value is told or seen), readable (the story can be read
back). A draw that fails one of these is drawn anew, with bounds; then the position is dropped, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from pipeline.config import WORLD_TASKS, RunConfig
from pipeline.domain import Intent, Kind
from pipeline.errors import BadInput, DomainDefect
from pipeline.identity import Rng, content_hash, derive_seed
from pipeline.reading import reader
from pipeline.tasks.difficulty import difficulty
from pipeline.tasks.draw import Drawer, Drawn, Drop
from pipeline.tasks.outcome import GoalRun, broken_rule, check_wording, rehearse, run_forbidden, run_plans
from pipeline.tasks.proof import proven
from pipeline.tasks.reorder import reordered
from pipeline.types import Cell, DroppedTask, Expected, Goal, Persona, Reversal, Task
from pipeline.wording import render
from pipeline.world import CompiledDomain, FinalState, World

REDRAWS = 24  # draws for one position of the work list
MOST_OUTCOMES = 24  # right outcomes of one task
JOINED: tuple[Kind, ...] = ("fulfil", "clarify", "question")  # kinds of intent that a conversation may combine
MADE_OF: dict[Kind, tuple[Kind, ...]] = {
    "recover": JOINED,  # where a call is made, that a fault can strike
    "change_of_mind": ("fulfil", "clarify"),  # where the intent says how
}
"""Kinds of task that are made of intents of other kinds."""


class TaskMaker:
    """Makes the tasks of one domain. `position` counts within the domain, `index` within the run's work list."""

    def __init__(self, compiled: CompiledDomain, config: RunConfig, personas: Sequence[Persona]) -> None:
        self.compiled, self.config, self.personas = compiled, config, personas
        self._seed = derive_seed(config.seed, compiled.domain.name)
        self._kinds = self._mix()

    def _mix(self) -> dict[Kind, int]:
        """The kinds that this domain has intents for, with the weights that were asked for."""
        domain = self.compiled.domain
        has: set[Kind] = {intent.kind for intent in domain.intents}
        has |= {kind for kind in MADE_OF if self._able(kind)}
        if domain.person is not None and sum(intent.kind in JOINED for intent in domain.intents) >= 2:
            has.add("several")
        mix: dict[Kind, int] = {k: w for k, w in self.config.kinds.items() if k in has and w > 0}
        if not mix:
            raise BadInput(
                f"{domain.name} has no intent of the kinds {', '.join(self.config.kinds)}",
                where="kinds",
                remedy=f"It has: {', '.join(sorted(has))}.",
            )
        return mix

    def world_seed(self, position: int) -> int:
        """The seed of the world in which the task at this position plays."""
        return derive_seed(self._seed, "world", position // WORLD_TASKS)

    def make(self, drawer: Drawer, position: int, index: int) -> Task | DroppedTask:
        """The task at a position, or why there is none. `drawer` is over the world of `world_seed(position)`."""
        seed = derive_seed(self._seed, "task", position)
        rng = Rng(seed)
        kind = rng.weighted(list(self._kinds), list(self._kinds.values()))
        return self._drawn(drawer, kind, lambda: self._intents(drawer, kind, rng), rng, seed, index)

    def of(self, drawer: Drawer, kind: Kind, names: Sequence[str], seed: int) -> Task | DroppedTask:
        """A task of this kind with just these intents, of one person. `seed`: which draw of them."""
        intents = [self.compiled.domain.intent(name) for name in names]
        rng = Rng(derive_seed(self._seed, "of", kind, *names, seed))

        def draw() -> list[Drawn]:
            drawn = [drawer.draw(intents[0], rng, {})]
            given = {name: drawn[0].values[name] for name in (self.compiled.domain.person,) if name in drawn[0].values}
            return drawn + [drawer.draw(intent, rng, given) for intent in intents[1:]]

        return self._drawn(drawer, kind, draw, rng, seed, 0)

    def _drawn(
        self, drawer: Drawer, kind: Kind, draw: Callable[[], list[Drawn]], rng: Rng, seed: int, index: int
    ) -> Task | DroppedTask:
        """The first task that comes of several draws."""
        reasons: dict[str, str] = {}
        for _ in range(REDRAWS):
            try:
                return self._task(drawer, kind, draw(), rng, seed, index)
            except Drop as drop:
                reasons[drop.reason] = str(drop)
        reason, detail = next(reversed(reasons.items()))
        return DroppedTask(index=index, domain=self.compiled.domain.name, reason=reason, detail=detail)

    # ------------------------------------------------------------ one draw

    def _able(self, kind: Kind) -> list[Intent]:
        """The intents that a task of this kind can be made of."""
        found = [i for i in self.compiled.domain.intents if i.kind in MADE_OF.get(kind, (kind,))]
        if kind == "change_of_mind":
            return [intent for intent in found if intent.change_of_mind is not None]
        return [intent for intent in found if intent.gold] if kind == "recover" else found

    def _task(self, drawer: Drawer, kind: Kind, drawn: Sequence[Drawn], rng: Rng, seed: int, index: int) -> Task:
        domain, world = self.compiled.domain, drawer.world
        firsts = [_first_said(drawer, goal, rng) if kind == "change_of_mind" else {} for goal in drawn]
        outcomes, runs = self._outcomes(world, drawn)
        _admit(drawer, drawn, outcomes)
        if len(drawn) > 1:
            _keep_rules(drawer, outcomes[0], [goal_runs[0] for goal_runs in runs])
        persona = rng.choice(self.personas)
        goals = tuple(
            self._goal(world, goal, goal_runs, first, rng, persona, later=i > 0)
            for i, (goal, goal_runs, first) in enumerate(zip(drawn, runs, firsts, strict=True))
        )
        if kind == "recover" or any(self.config.faults.values()):
            goals = self._with_proofs(world, drawn, runs, goals)
        opening = _greeted(goals[0].opening, persona, rng)
        told = {**drawn[0].told(), **firsts[0]}
        if not any(_reads(template, opening, told, world.today) for template in goals[0].templates):
            raise Drop("unreadable", f"{goals[0].intent}: {opening!r} does not give back its facts")
        goals = (goals[0].model_copy(update={"opening": opening}), *goals[1:])
        body = Task(
            task_id="",
            index=index,
            domain=domain.name,
            domain_version=domain.version,
            kind=kind,
            difficulty=difficulty(goals, kind),
            language=self.config.language,
            persona=persona,
            world_seed=world.seed,
            seed=seed,
            goals=goals,
            expected=outcomes,
            allow=tuple(dict.fromkeys(path for goal in drawn for path in goal.intent.allow)),
        )
        return body.model_copy(update={"task_id": content_hash({"task": seed, "story": [g.opening for g in goals]})})

    def _with_proofs(
        self, world: World, drawn: Sequence[Drawn], runs: Sequence[Sequence[GoalRun]], goals: Sequence[Goal]
    ) -> tuple[Goal, ...]:
        """The goals with what shows whether a write took effect, for calls that may fail."""
        out = []
        for n, (goal, of_goal, made) in enumerate(zip(drawn, runs, goals, strict=True)):
            by_name = {run.plan.name: run for run in of_goal}
            earlier = [of_other[0] for of_other in runs[:n]]
            plans = [
                proven(world, goal, replace(by_name.get(plan.name, of_goal[0]), plan=plan), made.says, earlier)
                for plan in made.plans
            ]
            out.append(made.model_copy(update={"plans": tuple(plans)}))
        return tuple(out)

    def _intents(self, drawer: Drawer, kind: Kind, rng: Rng) -> list[Drawn]:
        domain = self.compiled.domain
        if kind != "several":
            return [drawer.draw(rng.choice(self._able(kind)), rng, {})]
        able = rng.shuffled([intent for intent in domain.intents if intent.kind in JOINED])
        count = 3 if len(able) >= 6 and rng.chance(0.25) else 2
        person = domain.person or ""
        # Who comes first says who they are: what is asked later takes that as known.
        able.insert(0, able.pop(next((k for k, it in enumerate(able) if it.facts.get(person) == "opening"), 0)))
        drawn = [drawer.draw(able[0], rng, {})]
        if person not in drawn[0].values:
            raise Drop("no_person", f"{able[0].name}: does not draw {person}, by whom several requests would be joined")
        for intent in able[1:]:
            try:
                drawn.append(drawer.draw(intent, rng, {person: drawn[0].values[person]}))
            except Drop:
                continue  # this person has no such thing to ask for: another intent may fit
            if len(drawn) == count:
                return drawn
        raise Drop("no_row", f"{able[0].name}: this person has nothing else to ask for")

    def _outcomes(self, world: World, drawn: Sequence[Drawn]) -> tuple[tuple[Expected, ...], list[list[GoalRun]]]:
        """Every right outcome (plans × accepted values), and each goal's plans as they ran beside the others' gold."""
        outcomes: list[Expected] = []
        runs: list[dict[str, GoalRun]] = [{} for _ in drawn]
        for combination in product(*(_ways(goal) for goal in drawn)):
            try:
                expected, ran = run_plans(
                    world,
                    drawn,
                    [(n, steps) for n, steps, _ in combination],
                    [instead for _, _, instead in combination],
                )
            except Drop:
                if not outcomes:
                    raise  # the gold itself; another plan may be impossible in this world
                continue
            outcomes.append(expected)
            for kept, run in zip(runs, ran, strict=True):
                kept.setdefault(run.plan.name, run)
            if len(outcomes) == MOST_OUTCOMES:
                break
        if any(goal.accepted for goal in drawn):
            # Who takes the first that fits must be right too, also after what was done for the earlier goals.
            plain = [("gold", goal.intent.gold) for goal in drawn]
            taken, _ = run_plans(world, drawn, plain, [{} for _ in drawn])
            if all(taken.change != outcome.change for outcome in outcomes):
                raise Drop("choice", f"{drawn[-1].intent.name}: what is seen first is not among the right values")
        return tuple(outcomes), [list(kept.values()) for kept in runs]

    def _goal(
        self,
        world: World,
        drawn: Drawn,
        runs: Sequence[GoalRun],
        first: Mapping[str, Cell],
        rng: Rng,
        persona: Persona,
        *,
        later: bool,
    ) -> Goal:
        intent, language = drawn.intent, self.config.language
        told, style = drawn.told(), persona.dates
        phrasings = intent.phrasings.get(language) or intent.phrasings["en"]
        templates = (*phrasings, *intent.followups.get(language, ()))
        mine = (intent.followups.get(language) or phrasings) if later else phrasings

        def say(template: str, told: Mapping[str, Cell] = told) -> str:
            text = render(template, told, style=style, today=world.today, currency=self.compiled.domain.currency)
            if not _reads(template, text, told, world.today):
                raise Drop("unreadable", f"{intent.name}: {text!r} does not give back its facts")
            return text

        tells, asked = {}, {}
        for name, how in intent.asked.items():
            tells[name] = say(rng.choice(how.tell.get(language) or how.tell["en"]))
            asked[name] = how
        pushes = intent.pushes.get(language) or (persona.insists if intent.kind == "refuse" else ())
        says = intent.says.get(language) or intent.says["en"]
        for run in runs:
            check_wording(run, drawn, says, world.today, self.compiled.domain.currency)
        reversal = None
        if first and intent.change_of_mind is not None:
            rehearse(world, drawn, runs[0].plan, {**told, **first}, says)
            ways = intent.change_of_mind.says.get(language) or intent.change_of_mind.says["en"]
            reversal = Reversal(first=dict(first), says=say(rng.choice(ways)), templates=ways)
        plans = [run.plan for run in runs]
        plans += reordered(world, drawn, runs[0], rng)
        return Goal(
            intent=intent.name,
            kind=intent.kind,
            values=drawn.values,
            facts=intent.facts,
            opening=say(rng.choice(mine), {**told, **first}),
            templates=templates,
            tells=tells,
            asked=asked,
            push=rng.choice(pushes) if pushes else None,
            reversal=reversal,
            says=says,
            rule=intent.rule,
            plans=tuple(plans),
            forbidden=run_forbidden(world, drawn) if intent.forbidden else None,
            answers=tuple(spec.removeprefix("$") for spec in intent.answers),
            success=intent.criteria.success,
            patterns=intent.criteria.patterns,
            checkpoints=intent.criteria.checkpoints,
        )


def _first_said(drawer: Drawer, drawn: Drawn, rng: Rng) -> dict[str, Cell]:
    """What is said first of the facts on which a mind will be changed. Raises Drop when it is what is wanted anyway."""
    change = drawn.intent.change_of_mind
    assert change is not None, f"{drawn.intent.name} says nothing of a change of mind"
    values = drawer.more(drawn, change.draw, rng)
    first = {fact: values[name.removeprefix("$")] for fact, name in change.first.items()}
    if any(drawn.values[fact] == value for fact, value in first.items()):
        raise Drop("same_mind", f"{drawn.intent.name}: what is said first is what is wanted")
    return first


def _ways(goal: Drawn) -> Iterator[tuple[str, Any, Mapping[str, Cell]]]:
    """(plan name, steps, accepted values) of a goal, the gold with the drawn values first."""
    names = list(goal.accepted)
    drawn_first = [sorted(goal.accepted[name], key=goal.values[name].__ne__) for name in names]
    for number, steps in enumerate(goal.intent.plans):
        for values in product(*drawn_first):
            yield f"or{number}" if number else "gold", steps, dict(zip(names, values, strict=True))


def _admit(drawer: Drawer, drawn: Sequence[Drawn], outcomes: Sequence[Expected]) -> None:
    """What every task must show before it is used. Raises Drop naming what failed."""
    gold = outcomes[0]
    wants_change = any(goal.intent.checks for goal in drawn)
    if wants_change and gold.change.empty:
        raise Drop("no_change", f"{gold.plan}: the gold changes nothing")
    if not wants_change and not gold.change.empty:
        raise Drop("unchecked", f"{gold.plan}: the gold changes state, but the intent has no check")
    for goal in drawn:
        if goal.intent.checks and all(drawer.start.check(sql, goal.values) for sql in goal.intent.checks):
            raise Drop("solved_already", f"{goal.intent.name}: its checks hold before anything was done")
    for outcome in outcomes:
        with FinalState(drawer.world, outcome.change) as end:
            for sql, bindings in outcome.checks:
                if not end.check(sql, bindings):
                    raise Drop("check_false", f"{outcome.plan}: false after the plan: {sql}")
            if broken := end.broken_invariants():
                raise DomainDefect(f"{outcome.plan}: the invariant {broken[0]!r} is broken after the plan")


def _keep_rules(drawer: Drawer, gold: Expected, runs: Sequence[GoalRun]) -> None:
    """Requests that are right one by one may break a rule together: raises Drop when their golds in a row do."""
    if (name := broken_rule(drawer.world, gold.change, runs)) is not None:
        raise Drop("rule_broken", f"{gold.plan}: together these requests break {name}")


def _reads(template: str, text: str, told: Mapping[str, Cell], today: str) -> bool:
    """Whether the template finds in the text what was told, and nothing else."""
    read = reader(template).read(text, today)
    return read is not None and all(str(told[name]) == str(value) for name, value in read.items())


def _greeted(opening: str, persona: Persona, rng: Rng) -> str:
    """An opening as this persona would say it."""
    parts = (rng.choice(persona.greetings), opening, rng.choice(persona.asides))
    return " ".join(part for part in parts if part)
