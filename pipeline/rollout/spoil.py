"""Wrong values that could well be taken for right ones: what an agent that errs puts in a call or tells a user.

Rejected rows teach a critic and test a verifier, so a mistake must be plausible: the wrong day, the neighbour in the
list, an id of the right form. Every function gives all the ways that it knows, in random order; none is fine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import orjson

from pipeline.domain import Tool
from pipeline.identity import Rng
from pipeline.sources import rows_of
from pipeline.wording import say_clock, say_count, say_day, say_money
from pipeline.world.functions import add_days

ENTITY_NAMES = ("_id", "_code", "_no", "sku")
_CODE = re.compile(r"(?=[^\s@]*\d)(?=[^\s@]*[A-Za-z])[\w-]{3,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SAMPLE = re.compile(r"\b[A-Z]{1,5}-?\d[\w-]*")


def is_entity(name: str, value: Any = None) -> bool:
    """Whether an argument says which thing is meant, by its name or by the form of its value (`LN-012`)."""
    if isinstance(value, str) and (_DATE.match(value) or _CLOCK.fullmatch(value)):
        return False
    return name.endswith(ENTITY_NAMES) or (isinstance(value, str) and _CODE.fullmatch(value) is not None)


# ---------------------------------------------------------------- arguments


def wrong_values(
    tool: Tool, arguments: Mapping[str, Any], results: Mapping[str, Any], free: Collection[str], rng: Rng
) -> list[dict[str, Any]]:
    """The arguments with a wrong day, amount, option or quantity. `free`: arguments that have several right values."""
    ways = [
        {**arguments, name: other}
        for name, value in arguments.items()
        if name not in free and not is_entity(name, value)
        for other in _other_values(name, tool.parameters[name], value, results)
    ]
    return rng.shuffled(ways)


def wrong_entities(
    tool: Tool, arguments: Mapping[str, Any], results: Mapping[str, Any], free: Collection[str], rng: Rng
) -> list[dict[str, Any]]:
    """The arguments with another thing of the same kind that was seen: the neighbour in the list."""
    ways = []
    for name, value in arguments.items():
        if (
            name not in free
            and is_entity(name, value)
            and isinstance(value, str)
            and "enum" not in tool.parameters[name]
        ):
            ways += [{**arguments, name: other} for other in _neighbours(value, results)]
    return rng.shuffled(ways)


def invented_ids(tool: Tool, arguments: Mapping[str, Any], heard: str, rng: Rng) -> list[dict[str, Any]]:
    """The arguments with an id of the right form that nobody said or showed. `heard`: all that was."""
    ways = []
    for name, value in arguments.items():
        if is_entity(name, value) and isinstance(value, str) and any(c.isdigit() for c in value):
            other = _other_digits(value, rng)
            if other not in heard:
                ways.append({**arguments, name: other})
    return rng.shuffled(ways)


def malformed(tool: Tool, arguments: Mapping[str, Any], rng: Rng) -> str:
    """Arguments that the tool cannot take, as JSON text: one missing, unknown or of another type, or the text torn."""
    text = orjson.dumps(arguments).decode()
    ways = [
        text[: max(1, len(text) - 1 - rng.below(4))],
        orjson.dumps({**arguments, "note_to_self": "as agreed"}).decode(),
    ]
    for name in tool.required:
        if name in arguments:
            ways.append(orjson.dumps({n: v for n, v in arguments.items() if n != name}).decode())
            wrong = 1 if isinstance(arguments[name], str) else "one"
            ways.append(orjson.dumps({**arguments, name: wrong}).decode())
    return rng.choice(ways)


def _other_values(name: str, schema: Mapping[str, Any], value: Any, results: Mapping[str, Any]) -> Iterator[Any]:
    if "enum" in schema:
        yield from (option for option in schema["enum"] if option != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        steps = (1000, -1000, 500) if name.endswith("_cents") else (1, -1)
        low, high = schema.get("minimum", 0), schema.get("maximum", value + 1000)
        yield from (n for n in (value + step for step in steps) if low <= n <= high)
    elif isinstance(value, str) and _DATE.fullmatch(value):
        yield from (day for day in (add_days(value, 1), add_days(value, -1), add_days(value, 7)) if day)
    elif isinstance(value, str) and _CLOCK.fullmatch(value):
        yield from _neighbours(value, results)
        yield f"{(int(value[:2]) + 1) % 24:02}{value[2:]}"
    elif isinstance(value, str) and re.fullmatch(r"[\d-]{4,}", value):
        yield from _swapped(value)
    elif isinstance(value, str):
        yield from _neighbours(value, results)


def _swapped(digits: str) -> Iterator[str]:
    """Two digits changed over, as happens when a number is copied by hand."""
    for i in range(len(digits) - 1):
        a, b = digits[i], digits[i + 1]
        if a != b and "-" not in (a, b):
            yield digits[:i] + b + a + digits[i + 2 :]


def _neighbours(value: str, results: Mapping[str, Any]) -> list[str]:
    """Other values seen where this one was: in the same column of a list, or written in the same form."""
    found: dict[str, None] = {}
    form = _form(value) if is_entity("", value) else None
    columns: dict[str, list[Any]] = {}
    for result in results.values():
        for row in rows_of(result):
            for column, cell in row.items():
                columns.setdefault(column, []).append(cell)
    for cells in columns.values():
        if value in cells or form is not None:
            alike = (c for c in cells if isinstance(c, str) and c != value and (value in cells or _form(c) == form))
            found.update(dict.fromkeys(alike))
    return list(found)


def _form(code: str) -> str:
    return re.sub(r"\d", "0", code)


def _other_digits(code: str, rng: Rng) -> str:
    """The code with other digits; the first is kept, so that a year or a range looks as it should."""
    digits = [i for i, c in enumerate(code) if c.isdigit()]
    change = digits[1:] or digits
    out = list(code)
    while "".join(out) == code:
        for i in change:
            out[i] = str(rng.below(10))
    return "".join(out)


# ---------------------------------------------------------------- guesses, and wrong answers


def guess(name: str, schema: Mapping[str, Any], today: str, rng: Rng) -> Any:
    """What an agent makes up for a value that it did not look up; None where nothing comes to mind."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type")
    if name.endswith("_cents"):
        return 1000 * rng.between(2, 9) + 10 * rng.between(11, 89) + 7
    if schema.get("format") == "date" or re.search(r"(^|_)(on|day|date|until|by|from|to)$", name):
        return add_days(today, rng.between(17, 43))
    if re.search(r"(^|_)(at|time|starts|ends)$", name):
        return f"{rng.between(7, 21):02}:{rng.choice((10, 20, 40, 50))}"
    if kind == "integer":
        return rng.between(13, 37)
    if kind == "boolean":
        return True
    sample = _SAMPLE.search(schema.get("description", ""))
    if sample is not None:
        return _other_digits(sample.group(), rng)
    if name.endswith("_id"):
        return f"{name[:2].upper()}-{rng.between(700, 999)}"
    return None


def other_answer(label: str, value: Any, results: Mapping[str, Any], heard: str, rng: Rng) -> list[Any]:
    """Wrong values for an answer: another day, amount, number, id or name. `heard`: all that was said and shown."""
    ways: list[Any] = []
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        steps = (-1000, 500, 1000, 2000) if label.endswith("_cents") else (-1, 1, 2)
        ways = [value + step for step in steps if value + step > 0]
    elif isinstance(value, str) and _DATE.match(value):
        days = (add_days(value[:10], n) for n in (-2, -1, 1, 2, 7))
        ways = [day + value[10:] for day in days if day]
    elif isinstance(value, str) and _CLOCK.fullmatch(value):
        ways = [f"{(int(value[:2]) + n) % 24:02}{value[2:]}" for n in (1, 2, 3)]
    elif isinstance(value, str) and _CODE.fullmatch(value):
        ways = [other for other in (_other_digits(value, rng) for _ in range(3)) if other not in heard]
    elif isinstance(value, str):
        ways = [*_neighbours(value, results)]
    return rng.shuffled(ways)


def spellings(value: Any, today: str) -> set[str]:
    """How a value may have been said, so that one can tell whether it was."""
    out = {str(value)}
    if isinstance(value, int) and not isinstance(value, bool):
        money = say_money(abs(value), "")
        return out | {money, money.replace(",", ""), money.removesuffix(".00"), f"{value:,}", say_count(value)}
    if isinstance(value, str) and _DATE.match(value):
        try:
            date.fromisoformat(value[:10])
        except ValueError:
            return out
        for style in ("iso", "day_month", "month_day"):
            out |= {say_day(value, style, today), say_day(value, style, value[:10])}
        if len(value) >= 16:
            out |= {say_clock(value[:16], "iso"), say_clock(value[:16], "month_day")}
    elif isinstance(value, str) and _CLOCK.fullmatch(value):
        out |= {say_clock(value, "iso"), say_clock(value, "month_day")}
    return out


def was_said(value: Any, texts: Iterable[str], today: str) -> bool:
    """Whether a value stands in one of these texts as a whole, in any of its spellings."""
    parts = "|".join(re.escape(spelling) for spelling in spellings(value, today) if spelling)
    whole = re.compile(rf"(?<!\w)(?<!\d[.,])(?:{parts})(?!\w)(?![.,]\d)", re.IGNORECASE)
    return any(whole.search(text) for text in texts)
