"""Values read back out of a message: the inverse of wording.

An agent without a model must take a value from what was said, not from the task behind it. So the phrasings of a
domain are plain text with slots, and a `Reader` turns one around: read(render(x)) = x, or the story is not used.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from jinja2 import nodes

from pipeline.errors import BadInput
from pipeline.wording import DAYS, MONTHS, NUMBERS, parse_template

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
    for statement in parse_template(source).body:
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
