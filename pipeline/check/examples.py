"""Rung `examples`: every tool succeeds once and refuses once for each reason that it knows; examples do as they say.

Examples are drawn from the populated worlds, so they show more than one row: each is tried with several, in every
world, and what must hold afterwards (`then:`) is asked of the state that the call left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.types import canonical_json
from pipeline.check.refusal import Refusal
from pipeline.check.subject import SEEDS, Found, Subject
from pipeline.domain import Example, Tool
from pipeline.errors import DomainDefect
from pipeline.sources import fit
from pipeline.tasks.draw import Drawer
from pipeline.types import Call, Change
from pipeline.world import FinalState, Outcome, SqlEnvironment, World

RUNG = "examples"
ROWS_PER_EXAMPLE = 2  # rows of one world that an example is tried with
ROWS_DRAWN = 6
MOST_ROWS = 400  # among which they are drawn
_RAISE = re.compile(r"RAISE\s*\(\s*ABORT\s*,\s*'((?:[^']|'')*)'\s*\)", re.IGNORECASE)


class Try(NamedTuple):
    """An example with what was drawn for it in one world."""

    arguments: dict[str, Any]
    drawer: Drawer
    row: dict[str, Any]  # what its draw gave


def examples(subject: Subject) -> Found:
    """Every tool can succeed and refuse, and every example behaves."""
    refusals: list[Refusal] = []
    count = 0
    for i, tool in enumerate(subject.domain.tools):
        refusals += _unexpected(subject, i, tool)
        for k, example in enumerate(tool.examples):
            count += 1
            refusals += _behaves(subject, i, tool, k, example)
    return Found(f"{count} examples behave", refusals)


def _unexpected(subject: Subject, i: int, tool: Tool) -> Iterator[Refusal]:
    """What a tool can say and no example expects."""
    expected = {example.expect for example in tool.examples}
    if "ok" not in expected:
        where = subject.at("tools.yaml", i, "examples")
        yield Refusal(where, RUNG, f"{tool.name} has no example of success", "Add one with `expect: ok`.")
    for k, guard in enumerate(tool.requires):
        if guard.otherwise not in expected:
            where = subject.at("tools.yaml", i, "requires", k)
            what = f"{tool.name}: no example expects {guard.otherwise!r}"
            yield Refusal(where, RUNG, what, "Add one that is refused so; a guard that nothing reaches may be wrong.")
    known = expected - {"ok"} - {guard.otherwise for guard in tool.requires} - raised(subject)
    for k, example in enumerate(tool.examples):
        if example.expect in known:
            where = subject.at("tools.yaml", i, "examples", k, "expect")
            what = f"{tool.name}: nothing says {example.expect!r}"
            yield Refusal(where, RUNG, what, "Expect ok, the `otherwise` of a guard, or the text of a trigger's RAISE.")


def raised(subject: Subject) -> set[str]:
    """The texts with which triggers of the schema refuse."""
    return {text.replace("''", "'") for text in _RAISE.findall(subject.domain.schema_sql)}


def _behaves(subject: Subject, i: int, tool: Tool, k: int, example: Example) -> list[Refusal]:
    where = subject.at("tools.yaml", i, "examples", k)
    tried = False
    for case in tries(subject, tool, example, (i, k), ROWS_PER_EXAMPLE):
        tried = True
        try:
            outcome, change = call(case.drawer.world, tool, case.arguments)
            kept = outcome.error is not None or holds(case.drawer.world, tool, example, case, outcome, change)
        except DomainDefect as defect:
            remedy = "Guard against it, so that the call is refused instead; or mend the statement."
            return [Refusal(where, RUNG, str(defect), remedy)]
        got = outcome.error or "ok"
        if got != example.expect:
            what = f"{tool.name}({_shown(case.arguments)}): expected {example.expect!r}, got {got!r}"
            return [Refusal(where, RUNG, what, "Mend the example's draw, or the tool.")]
        if not kept:
            what = f"{tool.name}({_shown(case.arguments)}): what must hold then does not: {example.then}"
            place = subject.at("tools.yaml", i, "examples", k, "then")
            return [Refusal(place, RUNG, what, "Mend `then:`, or the tool's effects.")]
    if tried:
        return []
    what = f"{tool.name}: the example's draw finds no row in {SEEDS} worlds"
    return [Refusal(where, RUNG, what, "Populate such rows, or draw others.")]


def call(world: World, tool: Tool, arguments: Mapping[str, Any]) -> tuple[Outcome, Change]:
    """What comes of one call in a fresh copy of a world, and what it changed. Raises DomainDefect."""
    environment = SqlEnvironment(world)
    try:
        outcome = environment.call(tool.name, arguments, actor=tool.actor)
        return outcome, environment.change() if outcome.wrote else Change()
    finally:
        environment.close()


def holds(world: World, tool: Tool, example: Example, case: Try, outcome: Outcome, change: Change) -> bool:
    """Whether an example's `then:` holds after its call (true when it has none). The log holds that one call."""
    if example.then is None:
        return True
    done = Call(
        index=0, turn=1, actor=tool.actor, call_id="0", name=tool.name, arguments=canonical_json(case.arguments),
        ok=outcome.ok, result=outcome.result, error=outcome.error, wrote=outcome.wrote,
    )  # fmt: skip
    given = {name: _bound(case.arguments.get(name, spec.get("default"))) for name, spec in tool.parameters.items()}
    with FinalState(world, change, [done]) as end:
        return end.check(example.then, {**case.row, **given})


def _bound(value: Any) -> Any:
    """An argument as a statement of the tool gets it."""
    return canonical_json(value) if isinstance(value, (list, dict)) else value


def tries(subject: Subject, tool: Tool, example: Example, key: tuple[int, int], most: int) -> Iterator[Try]:
    """The arguments of an example with drawn values, up to `most` times a world; `key`: of tool and example."""
    for n, drawer in enumerate(subject.drawers):
        for row in _drawn(subject, drawer, example, (*key, n))[:most]:
            yield Try({name: filled(tool, name, value, row) for name, value in example.arguments.items()}, drawer, row)


def _drawn(subject: Subject, drawer: Drawer, example: Example, key: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Some rows of an example's draw in one world, the same ones whenever they are asked for."""
    if example.draw is None:
        return [{}]
    if key not in subject.rows:
        found = drawer.start.rows(example.draw, {}, MOST_ROWS)
        found.sort(key=lambda row: [str(cell) for cell in row.values()])
        rng = subject.rng("example", *key)
        chosen = dict.fromkeys(rng.below(len(found)) for _ in range(ROWS_DRAWN) if found)
        subject.rows[key] = [found[at] for at in chosen]
    return subject.rows[key]


def filled(tool: Tool, name: str, value: Any, row: Mapping[str, Any]) -> Any:
    """An argument of an example with what was drawn for it."""
    if isinstance(value, str) and value.startswith("$") and value[1:] in row:
        return fit(row[value[1:]], tool.parameters[name])
    if isinstance(value, list):
        return [filled(tool, name, part, row) for part in value]
    if isinstance(value, dict):
        return {key: filled(tool, name, part, row) for key, part in value.items()}
    return value


def _shown(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())[:300]
