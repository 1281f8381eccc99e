"""Text made from templates, and values read back out of text.

Templates come with domains, so they are data from strangers: a sandboxed Jinja environment, and of its syntax only
what wording needs (no calls, no arithmetic, loops over what was seen only). `render` says a value as a person would
(`{{ day | day }}` → "Friday 12 June"); `Reader` inverts a template, so that an agent can take a value from a message
instead of from the task behind it: read(render(x)) = x, or the story is not used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
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
    if len(source) > MAX_TEXT:
        raise BadInput(f"a template is longer than {MAX_TEXT:,} characters")
    try:
        tree = _ENV.parse(source)
        for node in _walk(tree):
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
        return _ENV.from_string(tree)
    except TemplateError as error:
        raise BadInput(f"not a template: {error.message} (line {getattr(error, 'lineno', 1)})") from None


def _walk(tree: nodes.Node) -> Sequence[nodes.Node]:
    return [tree, *tree.find_all(nodes.Node)]


def render(
    source: str,
    values: Mapping[str, Any],
    *,
    style: str = "weekday",
    today: str = "",
    currency: str = "$",
    loops: bool = False,
) -> str:
    """A template with its values said. Raises BadInput when a name is missing or a value does not fit its filter."""
    try:
        text = compile_template(source, loops).render(values, _style=style, _today=today, _currency=currency)
    except BadInput:
        raise
    except Exception as error:  # whatever a template from a stranger can raise is the template's fault
        raise BadInput(f"template {source!r} cannot be rendered: {error}") from None
    return text[:MAX_TEXT] if len(text) > MAX_TEXT else text


# ---------------------------------------------------------------- reading

_MONTH, _DAY = "|".join(MONTHS), "|".join(DAYS)
_PATTERNS = {
    "": r".+?",
    "day": rf"\d{{4}}-\d\d-\d\d|(?:(?:{_DAY}) )?\d{{1,2}} (?:{_MONTH})(?: \d{{4}})?"
    rf"|(?:{_MONTH}) \d{{1,2}}(?:, \d{{4}})?",
    "clock": r"\d{1,2}:\d\d(?: [ap]m)?",
    "money": r"-?[^\d\s-]{0,3}\d[\d,]*\.\d\d",
    "count": "|".join(NUMBERS) + r"|\d+",
}


def read_day(text: str, today: str) -> str:
    """The ISO date that `say_day` said in any style; without a year, the first such day from today on."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return text
    month = next(i for i, name in enumerate(MONTHS, 1) if name in text)
    numbers = re.findall(r"\d+", text)
    now = date.fromisoformat(today)
    for year in (int(numbers[1]),) if len(numbers) > 1 else (now.year, now.year + 1, now.year + 2, now.year + 3):
        try:
            at = date(year, month, int(numbers[0]))
        except ValueError:  # 29 February of a common year
            continue
        if len(numbers) > 1 or at - now >= timedelta(0):
            return at.isoformat()
    raise ValueError(text)


def _read_clock(text: str) -> str:
    hour, minute = int(text.split(":")[0]), text.split(":")[1][:2]
    if text.endswith("m"):
        hour = hour % 12 + (12 if text.endswith("pm") else 0)
    return f"{hour:02}:{minute}"


def _read_value(text: str, form: str, today: str) -> str | int:
    if form == "day":
        return read_day(text, today)
    if form == "clock":
        return _read_clock(text)
    if form == "money":
        return int(re.sub(r"[^\d-]", "", text))
    if form == "count":
        return NUMBERS.index(text) if text in NUMBERS else int(text)
    return text


class Reader:
    """The inverse of a template of plain text and slots: finds it in a message and gives the slots' values."""

    def __init__(self, source: str) -> None:
        """Raises BadInput for a template that cannot be inverted: anything but text and `{{ name | filter }}`."""
        self.slots: list[tuple[str, str]] = []
        pattern, slot_last = "", False
        for part in _parts(source):
            if isinstance(part, str):
                pattern += r"\s+".join(re.escape(word) for word in re.split(r"\s+", part))
                slot_last = slot_last and not part
            else:
                if slot_last:
                    raise BadInput(f"{source!r}: two slots follow each other with no text between them")
                form = _PATTERNS[part[1]]
                if not pattern and part[1] == "":
                    # a slot that comes first would swallow what was said before: it starts where a sentence does
                    pattern, form = r"(?:^|(?<=[.!?…:,] )|(?<=\n))", r"(?:(?![.!?…] ).)+?"
                pattern += f"({form})"
                self.slots.append(part)
                slot_last = True
        if slot_last and self.slots[-1][1] == "":
            raise BadInput(f"{source!r}: text must follow the slot {self.slots[-1][0]!r} at the end")
        self._pattern = re.compile(pattern, re.DOTALL)

    def read(self, message: str, today: str) -> dict[str, str | int] | None:
        """The values by name, or None when the message does not hold this template or contradicts itself."""
        found = self._pattern.search(message)
        if found is None:
            return None
        values: dict[str, str | int] = {}
        for (name, form), text in zip(self.slots, found.groups(), strict=True):
            try:
                value = _read_value(text, form, today)
            except (ValueError, StopIteration):
                return None
            if values.setdefault(name, value) != value:
                return None
        return values


def _parts(source: str) -> list[str | tuple[str, str]]:
    """A template as text and (name, filter) slots, in order."""
    out: list[str | tuple[str, str]] = []
    compile_template(source)
    for statement in _ENV.parse(source).body:
        for node in statement.nodes if isinstance(statement, nodes.Output) else [statement]:
            form = ""
            if isinstance(node, nodes.Filter) and node.name in _PATTERNS and isinstance(node.node, nodes.Name):
                form, node = node.name, node.node
            if isinstance(node, nodes.TemplateData):
                out.append(node.data)
            elif isinstance(node, nodes.Name):
                out.append((node.name, form))
            else:
                raise BadInput(
                    f"{source!r}: only text and slots like {{{{ name }}}} or {{{{ name | day }}}} can be read back"
                )
    return out


@lru_cache(maxsize=4096)
def reader(source: str) -> Reader:
    """A `Reader`, made once per template."""
    return Reader(source)


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """The names that a template uses and does not define itself."""
    from jinja2 import meta

    compile_template(source, True)
    return frozenset(meta.find_undeclared_variables(_ENV.parse(source)))
