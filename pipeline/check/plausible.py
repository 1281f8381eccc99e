"""Values that an agent might plausibly pass: drawn for a whole call, or in the place of a right one.

Arguments are taken from what a world holds and from what earlier results showed (cells of columns that seem to mean the
parameter), mixed with random values of the parameter's schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pipeline.domain import Tool
from pipeline.identity import Rng
from pipeline.types import TableShape
from pipeline.world import FinalState
from pipeline.world.change import quoted
from pipeline.world.functions import add_days

_SEEN_ROWS = 60  # rows of a table whose cells are tried
_WORDS = ("", "a", "Ana", "0", "%", "'", "x" * 200, "ÅÉß 東京", "2026-02-30", "null", "-1")

Pool = dict[str, list[Any]]
"""Column → cells that it holds, in a world or in results."""


def cells_of(start: FinalState, shapes: Mapping[str, TableShape]) -> Pool:
    """Cells of a world by column name."""
    pool: Pool = {}
    for table, shape in shapes.items():
        key = ", ".join(map(quoted, shape.key))
        for row in start.rows(f"SELECT * FROM {quoted(table)} ORDER BY {key}", {}, _SEEN_ROWS):
            for column, cell in row.items():
                if cell is not None:
                    pool.setdefault(column, []).append(cell)
    return pool


def learn(pool: Pool, result: str) -> None:
    """Remember what a result shows, so that later calls can use it: the newest ids first of all."""
    for row in objects_in(orjson.loads(result)):
        for name, cell in row.items():
            if isinstance(cell, (str, int)) and not isinstance(cell, bool):
                pool.setdefault(name, []).append(cell)


def objects_in(result: Any) -> Iterator[dict[str, Any]]:
    """Every object in a result, however nested."""
    if isinstance(result, dict):
        yield result
    for part in result.values() if isinstance(result, dict) else result if isinstance(result, list) else ():
        yield from objects_in(part)


def alike(parameter: str, column: str) -> bool:
    """Whether a parameter seems to mean a column: `flight_id` and `flight_id`, `new_date` and `date`, `from` too."""
    return parameter == column or parameter.endswith("_" + column) or column.endswith("_" + parameter)


# ---------------------------------------------------------------- a whole call


def plausible_arguments(
    tool: Tool, rng: Rng, pool: Mapping[str, Sequence[Any]], today: str, good: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Valid-typed arguments: `good` ones that are known to succeed with some of them changed, or all of them drawn."""
    start = rng.choice(good) if good and rng.chance(0.5) else {}
    change = 0.25 if start else 1.0
    arguments = dict(start)
    for name, schema in tool.parameters.items():
        if name in arguments and not rng.chance(change):
            continue
        if schema.get("optional") and rng.chance(0.4):
            arguments.pop(name, None)
            continue
        seen = [cell for column, cells in pool.items() if alike(name, column) for cell in cells]
        arguments[name] = _value(schema, rng, seen, pool, today)
    return arguments


def _value(schema: Mapping[str, Any], rng: Rng, seen: list[Any], pool: Mapping[str, Sequence[Any]], today: str) -> Any:
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


def _text(schema: Mapping[str, Any], rng: Rng, seen: list[str], pool: Mapping[str, Sequence[Any]], today: str) -> str:
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


# ---------------------------------------------------------------- in the place of a right value


def form_of(text: str) -> str:
    """What ids of one kind have in common: all but their digits."""
    return re.sub(r"\d+", "#", text)


def written_by_hand(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether an argument is text that the agent words itself, rather than a value."""
    return isinstance(value, str) and not ({"enum", "format", "pattern"} & schema.keys()) and " " in value.strip()


def other_values(schema: Mapping[str, Any], value: Any, seen: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    """Other values that fit a parameter: another option, a day off, one more or less, another that was seen."""
    if "enum" in schema:
        yield from (option for option in schema["enum"] if option != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        low, high = schema.get("minimum", value - 1), schema.get("maximum", value + 1)
        yield from (n for n in (value + 1, value - 1) if low <= n <= high)
    elif isinstance(value, str) and _is_day(value):
        yield from (day + value[10:] for day in (add_days(value[:10], 1), add_days(value[:10], -1)) if day)
    elif isinstance(value, str):
        column = [cells for cells in seen.values() if value in cells]
        yield from dict.fromkeys(c for cells in column for c in cells if isinstance(c, str) and c != value)
    elif isinstance(value, list):
        yield from _other_lists(schema, value, seen)
    elif isinstance(value, dict):
        for name, part in value.items():
            for other in other_values(schema.get("properties", {}).get(name, {}), part, seen):
                yield {**value, name: other}


def _other_lists(schema: Mapping[str, Any], value: list[Any], seen: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    if len(value) > max(1, schema.get("minItems", 0)):
        yield value[:-1]
    for at, item in enumerate(value):
        for other in other_values(schema.get("items", {}), item, seen):
            if other not in value:
                yield [*value[:at], other, *value[at + 1 :]]


def _is_day(value: str) -> bool:
    return re.match(r"\d{4}-\d\d-\d\d(?!\d)", value) is not None
