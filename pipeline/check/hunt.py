"""Rung `random`: whatever valid arguments an agent thinks of, a call succeeds or is refused, and invariants hold.

A constraint that fails outside a guard would end an episode through no fault of the agent's, so it is hunted here:
sequences of calls with arguments that were seen (cells of the right column, examples, earlier results) mixed with
random values of the parameter's schema. Deep states are reached by the calls that succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.check.examples import tries
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.domain import Tool
from pipeline.errors import DomainDefect
from pipeline.identity import Rng
from pipeline.types import Change
from pipeline.world import FinalState, SqlEnvironment, World
from pipeline.world.functions import add_days

RUNG = "random"
CALLS = 400
SEQUENCE = 20  # calls in one world, one after the other
_SEEN_ROWS = 60  # rows of a table whose cells are tried
_WORDS = ("", "a", "Ana", "0", "%", "'", "x" * 200, "ÅÉß 東京", "2026-02-30", "null", "-1")


def random_calls(subject: Subject) -> Found:
    """Sequences of random calls over the worlds."""
    tools = subject.domain.tools
    rng = subject.rng("random")
    seen = [_cells(subject, n) for n in range(len(subject.worlds))]
    ok = [
        [
            (tool.name, list(tries(subject, tool, example, (i, k), 6)))
            for k, example in enumerate(tool.examples)
            if example.expect == "ok"
        ]
        for i, tool in enumerate(tools)
    ]
    refusals: dict[str, Refusal] = {}
    succeeded = wrote = 0
    for sequence in range(CALLS // SEQUENCE):
        n = sequence % len(subject.worlds)
        world = subject.worlds[n]
        pool = {column: list(cells) for column, cells in seen[n].items()}
        environment = SqlEnvironment(world)
        try:
            for _ in range(SEQUENCE):
                i = rng.below(len(tools))
                good = [case.arguments for _, drawn in ok[i] for case in drawn if case.drawer.world is world]
                arguments = _arguments(tools[i], rng, pool, world.today, good)
                try:
                    outcome = environment.call(tools[i].name, arguments, actor=tools[i].actor)
                except DomainDefect as defect:
                    remedy = "Guard against these arguments, so that the call is refused instead."
                    where = subject.at("tools.yaml", i)
                    refusals.setdefault(tools[i].name, Refusal(where, RUNG, str(defect), remedy))
                    continue
                if outcome.result is not None:
                    succeeded += 1
                    _learn(pool, outcome.result)
                if outcome.wrote:
                    wrote += 1
                    broken = _broken(subject, world, environment.change(), tools[i].name, arguments)
                    if broken is not None:
                        refusals.setdefault(broken.where, broken)
                        break  # what follows would only follow from it
        finally:
            environment.close()
    words = f"{CALLS} calls: {succeeded} succeeded, {wrote} wrote, none broke anything"
    return Found(words, list(refusals.values()))


def _broken(subject: Subject, world: World, change: Change, tool: str, arguments: Mapping[str, Any]) -> Refusal | None:
    with FinalState(world, change) as end:
        for i, invariant in enumerate(subject.domain.invariants):
            row = end.first_row(invariant.sql)
            if row is not None:
                shown = orjson.dumps(arguments).decode()[:300]
                what = f"after {tool}({shown}) the invariant {invariant.name!r} is broken by {row!r}"
                where = subject.at("domain.yaml", "invariants", i)
                return Refusal(where, RUNG, what, f"Mend the effects or guards of {tool}, or the invariant.")
    return None


# ---------------------------------------------------------------- arguments


def _cells(subject: Subject, n: int) -> dict[str, list[Any]]:
    """Cells of one world by column name."""
    pool: dict[str, list[Any]] = {}
    for table, shape in subject.compiled.shapes.items():
        key = ", ".join(f'"{column}"' for column in shape.key)
        sql = f'SELECT * FROM "{table}" ORDER BY {key}'
        for row in subject.drawers[n].start.rows(sql, {}, _SEEN_ROWS):
            for column, cell in row.items():
                if cell is not None:
                    pool.setdefault(column, []).append(cell)
    return pool


def _learn(pool: dict[str, list[Any]], result: str) -> None:
    """Remember what a result shows, so that later calls can use it: the newest ids first of all."""
    value = orjson.loads(result)
    for row in value if isinstance(value, list) else [value]:
        for name, cell in row.items() if isinstance(row, dict) else ():
            if isinstance(cell, (str, int)):
                pool.setdefault(name, []).append(cell)


def _arguments(
    tool: Tool, rng: Rng, pool: Mapping[str, list[Any]], today: str, good: list[dict[str, Any]]
) -> dict[str, Any]:
    """Valid-typed arguments: those of an example that succeeds with some of them changed, or all of them drawn."""
    start = rng.choice(good) if good and rng.chance(0.5) else {}
    change = 0.25 if start else 1.0
    arguments = dict(start)
    for name, schema in tool.parameters.items():
        if name in arguments and not rng.chance(change):
            continue
        if schema.get("optional") and rng.chance(0.4):
            arguments.pop(name, None)
            continue
        seen = [cell for column, cells in pool.items() if _alike(name, column) for cell in cells]
        arguments[name] = _value(schema, rng, seen, pool, today)
    return arguments


def _alike(parameter: str, column: str) -> bool:
    """Whether a parameter seems to mean a column: `flight_id` and `flight_id`, `new_date` and `date`, `from` too."""
    return parameter == column or parameter.endswith("_" + column) or column.endswith("_" + parameter)


def _value(schema: Mapping[str, Any], rng: Rng, seen: list[Any], pool: Mapping[str, list[Any]], today: str) -> Any:
    """A value of a parameter's type."""
    kind = schema.get("type", "string")
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if kind == "boolean":
        return rng.chance(0.5)
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -2), schema.get("maximum", max(1_000, schema.get("minimum", 0) + 1_000))
        fitting = [n for n in seen if isinstance(n, int) and low <= n <= high]
        if fitting and rng.chance(0.4):
            return rng.choice(fitting)
        near = min(high, low + 9)
        return rng.choice([low, high, rng.between(int(low), int(high)), rng.between(int(low), int(near))])
    if kind == "array":
        items = schema.get("items", {})
        size = rng.between(schema.get("minItems", 0), schema.get("maxItems", schema.get("minItems", 0) + 3))
        return [_value(items, rng, seen, pool, today) for _ in range(size)]
    if kind == "object":
        parts = schema.get("properties", {})
        return {
            name: _value(part, rng, list(pool.get(name, ())), pool, today)
            for name, part in parts.items()
            if name in schema.get("required", ()) or rng.chance(0.5)
        }
    return _text(schema, rng, [cell for cell in seen if isinstance(cell, str)], pool, today)


def _text(schema: Mapping[str, Any], rng: Rng, seen: list[str], pool: Mapping[str, list[Any]], today: str) -> str:
    form = schema.get("format")
    if seen and rng.chance(0.7):
        text = rng.choice(seen)
        return text[:10] if form == "date" else text
    if form == "date":
        return add_days(today, rng.between(-40, 120)) or today
    if form == "time":
        return f"{rng.below(24):02}:{rng.choice((0, 15, 30, 59)):02}:00Z"
    if form == "date-time":
        return f"{add_days(today, rng.between(-40, 120))}T{rng.below(24):02}:30:00Z"
    if form == "email":
        return rng.choice([*(str(c) for c in pool.get("email", ())), "nobody@example.com"])
    if "pattern" in schema:
        clock = f"{rng.below(24):02}:{rng.choice((0, 15, 30, 45)):02}"
        return rng.choice([clock, f"{add_days(today, rng.between(0, 60))} {clock}", "000000", "A"])
    texts = [cell for column in sorted(pool) for cell in pool[column][:3] if isinstance(cell, str)]
    text = rng.choice(_WORDS) if rng.chance(0.5) or not texts else rng.choice(texts)
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 400)
    return (text + "abc" * shortest)[: max(shortest, len(text))][:longest]
