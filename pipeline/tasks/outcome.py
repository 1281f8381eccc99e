"""Executing right plans for real: the steps with their sources, and the outcome that a verdict will expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.types import canonical_json
from pipeline.domain import Domain, Says, Step, Tool
from pipeline.errors import BadInput
from pipeline.sources import fit, look_up
from pipeline.tasks.draw import Drawn, Drop
from pipeline.tasks.ground import Grounding
from pipeline.types import Answer, Call, Cell, Change, Expected, Plan, PlanStep
from pipeline.wording import names_in, render
from pipeline.world import Environment, FinalState, Outcome, SqlEnvironment, World


@dataclass
class GoalRun:
    """One goal's plan as it was executed."""

    plan: Plan
    grounding: Grounding
    answers: list[tuple[str, Any, str | None]] = field(default_factory=list)  # label, value, producing tool
    calls: list[tuple[str, str, Outcome]] = field(default_factory=list)  # tool, arguments as JSON, what came of it


def run_goal(
    environment: Environment,
    domain: Domain,
    drawn: Drawn,
    name: str,
    steps: Sequence[Step],
    instead: Mapping[str, Cell],
    *,
    forbidden: bool = False,
) -> GoalRun:
    """Execute one plan of one goal, tracing every argument.

    `instead`: for each name with several accepted values, the one to take: an argument that was seen and is any of
    them becomes it. Raises Drop when a call is refused or a value cannot be traced. `forbidden`: the plan is what a
    refuse intent asks for, so it may end with a call that is refused.
    """
    values = drawn.values
    grounding = Grounding(drawn.told(), drawn.choices)
    swap = {accepted: chosen for name, chosen in instead.items() for accepted in drawn.accepted[name]}
    free = [value for accepted in drawn.accepted.values() if len(accepted) > 1 for value in accepted]
    planned: list[PlanStep] = []
    calls: list[tuple[str, str, Outcome]] = []
    for number, step in enumerate(steps):
        tool = domain.tool(step.tool)
        key = step.save_as or f"{number}_{step.tool}"
        sources, arguments = {}, {}
        for parameter, spec in step.arguments.items():
            source, value = grounding.source(spec, values)
            if source.by == "text":
                known = {**grounding.told, **grounding.results}
                value = _worded(drawn, "the text of a call", (source.value,), known, "", domain.currency)
            elif source.by == "seen" and value in swap:
                value = swap[value]
            sources[parameter], arguments[parameter] = source, fit(value, tool.parameters.get(parameter, {}))
        outcome = environment.call(step.tool, arguments, actor=tool.actor)
        result = orjson.loads(outcome.result or "null")
        planned.append(
            PlanStep(
                key=key, tool=step.tool, arguments=sources,
                writes=bool(tool.effects), confirm=tool.confirm, actor=tool.actor,
                lists=isinstance(result, list) and len(result) > 1,
                free=tuple(name for name, source in sources.items() if source.by == "seen" and arguments[name] in free),
            )
        )  # fmt: skip
        if outcome.result is None and forbidden:
            break
        if outcome.result is None:
            raise Drop("gold_refused", f"{drawn.intent.name}/{name}: {step.tool}({arguments}): {outcome.error}")
        calls.append((step.tool, canonical_json(arguments), outcome))
        grounding.saw(key, step.tool, _heard(tool, result))
    run = GoalRun(Plan(name=name, steps=tuple(planned)), grounding, calls=calls)
    if forbidden:
        return run
    finds = {}
    says = drawn.intent.says.values()
    wanted = {n for s in says for text in (*s.propose, *s.report, *s.decline) for n in names_in(text)}
    for spec in drawn.intent.answers:
        label = spec.removeprefix("$")
        source, value = grounding.source(spec, values)
        if source.by == "seen" and value in swap:
            value = swap[value]
        run.answers.append((label, value, grounding.producers.get(source.name) if source.by == "seen" else None))
        wanted.add(label)
    for wanted_name in sorted(wanted & drawn.values.keys() - drawn.told().keys() - grounding.results.keys()):
        finds[wanted_name] = grounding.find(wanted_name, values[wanted_name])
    run.plan = run.plan.model_copy(update={"finds": finds})
    return run


def run_forbidden(world: World, drawn: Drawn) -> Plan:
    """The calls that would do what a refuse intent asks for, as far as they go."""
    environment = SqlEnvironment(world)
    try:
        steps = drawn.intent.forbidden
        return run_goal(environment, world.compiled.domain, drawn, "forbidden", steps, {}, forbidden=True).plan
    finally:
        environment.close()


def rehearse(world: World, drawn: Drawn, plan: Plan, told: Mapping[str, Any], says: Says) -> None:
    """Follow a plan up to the user's word with other facts than the drawn ones, as one does who was told these.

    Raises Drop when it does not come to a proposal: then nobody would be asked, and no mind could be changed.
    """
    domain, results = world.compiled.domain, dict[str, Any]()
    environment = SqlEnvironment(world)
    try:
        for step in plan.steps:
            if step.confirm:
                _worded(drawn, "a proposal", says.propose, _known(plan, told, results), world.today, domain.currency)
                return
            parameters = domain.tool(step.tool).parameters
            arguments = {}
            for name, source in step.arguments.items():
                known = {**told, **results}
                if source.by == "text":
                    value: Any = _worded(drawn, "the text of a call", (source.value,), known, "", domain.currency)
                else:
                    value = look_up(source, told, results)
                arguments[name] = fit(value, parameters[name])
            outcome = environment.call(step.tool, arguments, actor=step.actor)
            if outcome.result is None or outcome.wrote:
                raise Drop("first_mind", f"{drawn.intent.name}: {step.tool} with what is said first: {outcome.error}")
            results[step.key] = _heard(domain.tool(step.tool), orjson.loads(outcome.result))
    except KeyError as unknown:
        raise Drop("first_mind", f"{drawn.intent.name}: what is said first leads to no {unknown}") from None
    finally:
        environment.close()
    raise Drop("first_mind", f"{drawn.intent.name}: the user is never asked for their word")


def _heard(tool: Tool, result: Any) -> Any:
    """What the agent gets to know of a result: all of it, or what a user tells of their own tool's."""
    if tool.asked is None:
        return result
    told = {name for ways in tool.asked.tell.values() for text in ways for name in names_in(text)}
    return {name: value for name, value in result.items() if name in told}


def check_wording(run: GoalRun, drawn: Drawn, says: Says, today: str, currency: str) -> None:
    """Raises Drop when the domain's words for a plan cannot be said with what is known when they are due.

    The expert would fall back on a bare line, and nobody would notice.
    """
    told, results = run.grounding.told, run.grounding.results
    steps = run.plan.steps
    first = next((i for i, step in enumerate(steps) if step.confirm), None)
    if first is not None:
        seen = {step.key: results[step.key] for step in steps[:first]}
        _worded(drawn, "a proposal", says.propose, _known(run.plan, told, seen), today, currency)
    _worded(drawn, "a report", says.report, _known(run.plan, told, results), today, currency)
    _worded(drawn, "a refusal", says.decline, _known(run.plan, told, results), today, currency)


def _known(plan: Plan, told: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """The names that wording may use, for one who knows these results."""
    known = {**told, **results}
    for name, source in plan.finds.items():
        with suppress(KeyError):
            known[name] = look_up(source, told, results)
    return known


def _worded(
    drawn: Drawn, what: str, templates: Sequence[str], known: Mapping[str, Any], today: str, currency: str
) -> str:
    """The first of the templates that can be said; "" where there are none. Raises Drop when none can."""
    problem = ""
    for template in templates:
        try:
            return render(template, known, today=today, currency=currency, loops=True)
        except BadInput as error:
            problem = str(error)
    if problem:
        raise Drop("wording", f"{drawn.intent.name}: {what} cannot be said: {problem}")
    return ""


def run_plans(
    world: World,
    drawn: Sequence[Drawn],
    plans: Sequence[tuple[str, Sequence[Step]]],
    instead: Sequence[Mapping[str, Cell]],
) -> tuple[Expected, list[GoalRun]]:
    """Execute one plan of each goal, one after the other, and say what a right run leaves behind."""
    domain = world.compiled.domain
    environment = SqlEnvironment(world)
    try:
        runs: list[GoalRun] = []
        mentions = []
        before: set[tuple[str, tuple[Cell, ...]]] = set()
        change = Change()
        for goal, (name, steps), other in zip(drawn, plans, instead, strict=True):
            run = run_goal(environment, domain, goal, name, steps, other)
            runs.append(run)
            change = environment.change()
            for column_path, specs in goal.intent.mentions.items():
                table, _, column = column_path.partition(".")
                held = tuple(_mention(run, goal, other, spec, change) for spec in specs)
                mentions += [
                    (table, row.key, column, held)
                    for row in change.inserts
                    if row.table == table and (row.table, row.key) not in before
                ]
            before = {(row.table, row.key) for row in change.inserts}
        expected = Expected(
            plan=_label(plans, instead),
            change=change,
            answers=tuple(_answer(label, v, tool, change) for run in runs for label, v, tool in run.answers),
            mentions=tuple(mentions),
            checks=tuple(
                (sql, {**goal.values, **other})
                for goal, other in zip(drawn, instead, strict=True)
                for sql in goal.intent.checks
            ),
        )
        return expected, runs
    finally:
        environment.close()


def broken_rule(world: World, change: Change, runs: Sequence[GoalRun]) -> str | None:
    """The first of the agent's rules that these runs break in a row, or None.

    The agent is taken to have had the user's word for every call, since no call of a right plan goes without.
    """
    log = [(name, arguments, outcome) for run in runs for name, arguments, outcome in run.calls]
    calls = [
        Call(
            index=i, turn=i + 1, actor="agent", call_id=str(i), name=name, arguments=arguments, ok=outcome.ok,
            result=outcome.result, error=outcome.error, wrote=outcome.wrote,
        )
        for i, (name, arguments, outcome) in enumerate(log)
    ]  # fmt: skip
    said = [(i, "Yes, please.", True) for i in range(len(calls))]
    with FinalState(world, change, calls, said) as end:
        for name, rule in world.compiled.domain.rules.items():
            if rule.violated is not None and end.check(rule.violated):
                return name
    return None


def _label(plans: Sequence[tuple[str, Sequence[Step]]], instead: Sequence[Mapping[str, Cell]]) -> str:
    swaps = [f"{n}={v}" for other in instead for n, v in other.items()]
    return " ".join(["+".join(name for name, _ in plans), *swaps])


def _mention(run: GoalRun, goal: Drawn, other: Mapping[str, Cell], spec: str, change: Change) -> Answer:
    source, value = run.grounding.source(spec, {**goal.values, **other})
    if source.by == "seen":
        value = look_up(source, run.grounding.told, run.grounding.results)
    return _answer(spec.removeprefix("$"), value, None, change)


def _answer(label: str, value: Any, tool: str | None, change: Change) -> Answer:
    """A value that must be told; the id of a new row is marked, since it differs from run to run."""
    if not isinstance(value, (str, int)):
        raise Drop("answer", f"${label} is {value!r}: an answer is text or a number")
    new_in = next((row.table for row in change.inserts if row.key == (value,)), None)
    return Answer(label=label, value=value, money=label.endswith("_cents"), new_in=new_in, tool=tool)
