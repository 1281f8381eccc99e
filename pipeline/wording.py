"""Text made from templates.

Templates come with domains, so they are data from strangers: a sandboxed Jinja environment, and of its syntax only
what wording needs (no calls, no arithmetic, loops over what was seen only). `render` says a value as a person would
(`{{ day | day }}` → "Friday 12 June"); `pipeline.reading` turns it around.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.errors import BadInput

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
MAX_TEXT = 20_000

_FORMAT = re.compile(r"[^%]*%(0?[0-9]{1,2})?[ds][^%]*")


# ---------------------------------------------------------------- saying


def fold(text: Any) -> str | None:
    """Text for matching names: case, accents and extra spaces gone."""
    return None if text is None else _fold(str(text))


@lru_cache(maxsize=65536)
def _fold(text: str) -> str:
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(text.split()).casefold()


def say_day(value: str, style: str, today: str) -> str:
    """An ISO date in words; the year is said unless the day lies within the coming ten months."""
    at = date.fromisoformat(value[:10])
    if style == "iso":
        return at.isoformat()
    month = MONTHS[at.month - 1]
    text = f"{month} {at.day}" if style == "month_day" else f"{at.day} {month}"
    if style == "weekday":
        text = f"{DAYS[at.weekday()]} {text}"
    near = 0 <= (at - date.fromisoformat(today)).days <= 300
    return text if near else f"{text}, {at.year}" if style == "month_day" else f"{text} {at.year}"


def say_clock(value: str, style: str) -> str:
    """The time of day of `HH:MM` or of a date-time."""
    hour, minute = int(value[-5:-3]), value[-2:]
    if style != "month_day":
        return f"{hour:02}:{minute}"
    return f"{hour % 12 or 12}:{minute} {'am' if hour < 12 else 'pm'}"


def say_money(cents: int, currency: str) -> str:
    """An amount of minor units in major ones, as in `$1,204.50`."""
    return f"{'-' if cents < 0 else ''}{currency}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def say_count(value: int) -> str:
    """Small numbers as words, as people write them."""
    return NUMBERS[value] if 0 <= value < len(NUMBERS) else str(value)


@pass_context
def _day(context: Any, value: Any) -> str:
    return say_day(str(value), context.get("_style", "weekday"), context.get("_today", str(value)))


@pass_context
def _clock(context: Any, value: Any) -> str:
    return say_clock(str(value), context.get("_style", "weekday"))


@pass_context
def _money(context: Any, value: Any) -> str:
    return say_money(int(value), context.get("_currency", "$"))


def _pad(value: Any, width: int) -> str:
    return str(value).rjust(min(int(width), 20), "0")


_ENV = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, cache_size=0)
_FILTERS = {"day": _day, "clock": _clock, "money": _money, "count": lambda v: say_count(int(v)), "pad": _pad}
_ENV.filters.clear()
_ENV.filters.update(
    _FILTERS,
    lower=lambda s: str(s).lower(),
    upper=lambda s: str(s).upper(),
    title=lambda s: str(s).title(),
    length=len,
    join=lambda items, by=", ": str(by).join(str(i) for i in items),
    first=lambda s: s[0],
    last=lambda s: s[-1],
)
_ENV.globals.clear()
_ENV.tests = {k: v for k, v in _ENV.tests.items() if k in ("defined", "none", "in")}

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Filter,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Test,
)


@lru_cache(maxsize=4096)
def compile_template(source: str, loops: bool = False) -> Template:
    """A template that holds only what wording needs. Raises BadInput that says what is not allowed.

    `loops`: also `{% for x in seen %}`, for an agent's wording of lists.
    """
    tree = parse_template(source, loops)
    return _ENV.from_string(tree)


def parse_template(source: str, loops: bool = False) -> nodes.Template:
    """The syntax tree of a template, checked as `compile_template` does."""
    if len(source) > MAX_TEXT:
        raise BadInput(f"a template is longer than {MAX_TEXT:,} characters")
    try:
        tree = _ENV.parse(source)
        for node in (tree, *tree.find_all(nodes.Node)):
            if (
                isinstance(node, nodes.Mod)
                and isinstance(node.left, nodes.Const)
                and _FORMAT.fullmatch(str(node.left.value))
            ):
                continue  # '%02d' % number, a format of bounded width
            if loops and isinstance(node, nodes.For) and isinstance(node.iter, (nodes.Name, nodes.Getattr)):
                if any(inner is not node for inner in node.find_all(nodes.For)):
                    raise BadInput(f"not allowed in a template: a loop within a loop (line {node.lineno})")
                continue
            if not isinstance(node, _ALLOWED):
                raise BadInput(f"not allowed in a template: {type(node).__name__} (line {node.lineno})")
            if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
                raise BadInput(f"not allowed in a template: .{node.attr}")
        return tree
    except TemplateError as error:
        raise BadInput(f"not a template: {error.message} (line {getattr(error, 'lineno', 1)})") from None


def render(
    source: str,
    values: Mapping[str, Any],
    *,
    style: str = "weekday",
    today: str = "",
    currency: str = "$",
    loops: bool = False,
    most: int = MAX_TEXT,
) -> str:
    """A template with its values said. Raises BadInput when a name is missing or a value does not fit its filter.

    What a stranger's template makes is cut off after `most` characters.
    """
    try:
        text = compile_template(source, loops).render(values, _style=style, _today=today, _currency=currency)
    except BadInput:
        raise
    except Exception as error:  # whatever a template from a stranger can raise is the template's fault
        raise BadInput(f"template {source!r} cannot be rendered: {error}") from None
    return text[:most]


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """The names that a template uses and does not define itself."""
    return frozenset(_names(parse_template(source, True), frozenset()))


def _names(node: nodes.Node, own: frozenset[str]) -> Iterator[str]:
    """The names used under a node, without those of the loop around it. (Jinja's own answer compiles the template.)"""
    if isinstance(node, nodes.Name):
        if node.ctx == "load" and node.name not in own:
            yield node.name
        return
    if isinstance(node, nodes.For):
        yield from _names(node.iter, own)
        inside = own | {name.name for name in node.target.find_all(nodes.Name)} | {"loop"}
        inside |= {node.target.name} if isinstance(node.target, nodes.Name) else set()
        for part in (*node.body, *([node.test] if node.test is not None else [])):
            yield from _names(part, inside)
        for part in node.else_:
            yield from _names(part, own)
        return
    for child in node.iter_child_nodes():
        yield from _names(child, own)
