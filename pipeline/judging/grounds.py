"""What is known at one point of an episode, and whether a value can have come from it.

An agent that takes every value from what it was told or saw invents nothing. A value may be rewritten on the way: a day
said as "12 June" or "tomorrow" becomes an ISO date, "$120" becomes 12000, "a table for four" becomes 4. What the agent
itself proposed and the user agreed to counts as said, except for codes and addresses, which must have been seen.

It errs to the agent's side: a value that could have been worked out from what is known (a day some nights later, the
sum of two amounts) is grounded. Whether it is the *right* value is for the state verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from pipeline.judging.communicated import day_told, occurs, phrase_told
from pipeline.judging.compare import fold
from pipeline.judging.lexicon import TENS, UNITS, WEEKDAYS
from pipeline.judging.numerals import spoken
from pipeline.judging.values import Reading, read

_MONEY_NAME = re.compile(r"cents|amount|price|budget|total|fee|cost|fare|limit|credit|balance", re.I)
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d)?Z?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::\d\d)?")
_CODE = re.compile(r"\b[A-Za-z]{1,6}-?\d{2,}\b|\S+@\S+\.\w+")
_COUNT = rf"(?:\d+|(?:an?|half an|{'|'.join([*UNITS, *TENS])})(?:[ -](?:{'|'.join(list(UNITS)[1:10])}))?)"
_SPAN = re.compile(rf"\b({_COUNT})[\s-]+(?:more |full |working )?(minute|hour|day|night|week|fortnight|month)", re.I)
_ALONE = re.compile(r"\b(?:an?|one|single|myself|me|my|i|alone|solo|just)\b", re.I)
_PAIR = re.compile(
    r"\b(?:couple|pair|both|double|twice|second|us|my (?:wife|husband|partner|girlfriend|boyfriend|friend))\b", re.I
)
_RELATIVE = {"today": 0, "tonight": 0, "this evening": 0, "tomorrow": 1, "day after tomorrow": 2, "in a week": 7}
_MINUTES = {"minute": 1, "hour": 60}
_DAYS = {"day": 1, "night": 1, "week": 7, "fortnight": 14, "month": 30}


class Grounds:
    """What is known before one message of an episode.

    `users`: what users said; `rules`: policy and system prompt; `seen`: tool results; `agreed`: what the agent proposed
    and the user agreed to.
    """

    def __init__(
        self, users: list[str], rules: list[str], seen: list[str], agreed: list[str], today: date | None
    ) -> None:
        self.users, self.seen, self.agreed, self.today = users, seen, agreed, today
        self.said = users + rules

    # ------------------------------------------------------------ one value

    def has(self, name: str, value: Any, schema: Mapping[str, Any], written: frozenset[str]) -> bool:
        """Whether a leaf value of the argument `name` is grounded."""
        if value is None or isinstance(value, bool):
            return True
        if value == schema.get("default") or value == schema.get("const") or value in schema.get("enum", ()):
            return True
        if isinstance(value, (int, float)):
            return self._number(value, bool(_MONEY_NAME.search(name)))
        if self._verbatim(value):
            return True
        if (parts := _MOMENT.fullmatch(value)) is not None:
            return self._day(parts[1]) and self._time(parts[2])
        if _ISO.fullmatch(value):
            return self._day(value)
        if _CLOCK.fullmatch(value):
            return self._time(value)
        if name in written or len(value.split()) > 4 or "\n" in value:
            return not any(True for _ in self.unknown_in(value))
        return self._phrase(value)

    def unknown_in(self, text: str) -> Iterator[str]:
        """The values inside a text written by the agent that come from nowhere."""
        reading = read(text)
        for year, month, day in reading.days:
            known = self._days
            if not any((m, d) == (month, day) and year in (None, y) for y, m, d in known):
                try:
                    iso = date(year or (self.today.year if self.today else 2000), month, day).isoformat()
                except ValueError:
                    continue
                if not self._day(iso) and (month > 12 or not self._swapped(year, month, day)):
                    yield iso
        for minutes in reading.times:
            if not self._time(f"{minutes // 60:02}:{minutes % 60:02}"):
                yield f"{minutes // 60:02}:{minutes % 60:02}"
        for number in reading.numbers:
            if abs(number) > 12 and not self._number(number, True):
                yield str(number)
        for code in _CODE.findall(text):
            if not self._verbatim(code) and not any(phrase_told(code, t) for t in self._texts):
                yield code

    def _swapped(self, year: int | None, month: int, day: int) -> bool:
        """6/12 was read both ways; one of them being known is enough."""
        return any((m, d) == (day, month) and year in (None, y) for y, m, d in self._days)

    # ------------------------------------------------------------ by kind

    @property
    def _texts(self) -> list[str]:
        return self.said + self.seen

    def _verbatim(self, value: str) -> bool:
        return any(value in text and occurs(value, text) for text in self._texts)

    @cached_property
    def _readings(self) -> list[Reading]:
        return [read(text) for text in self.said + self.agreed]

    @cached_property
    def _seen_readings(self) -> list[Reading]:
        return [read(text) for text in self.seen]

    @cached_property
    def _days(self) -> set[tuple[int | None, int, int]]:
        return {d for r in (*self._readings, *self._seen_readings) for d in r.days}

    @cached_property
    def _spans(self) -> list[tuple[int, str]]:
        out = []
        for text in self.said + self.agreed:
            for count, unit in _SPAN.findall(text):
                words = re.findall(r"[a-z]+", count.lower())
                n = int(count) if count.isdecimal() else 1 if words[-1] in ("a", "an") else sum(spoken(words))
                out.append((n, unit.lower()))
                if words[:1] == ["half"]:
                    out.append((30, "minute"))
        return out

    def _day(self, iso: str) -> bool:
        try:
            wanted = date.fromisoformat(iso)
        except ValueError:
            return False
        if any(day_told(iso, r) for r in self._readings) or any(iso in text for text in self.seen):
            return True
        words = " ".join(fold(t) for t in self.users + self.agreed)
        if any(wanted.day in r.maybe_days for r in self._readings) or WEEKDAYS[wanted.weekday()] in words:
            return True
        if "weekend" in words and wanted.weekday() >= 4:
            return True
        bases = [self.today] if self.today else []
        for word, days in _RELATIVE.items():
            if word in words and self.today and wanted == self.today + timedelta(days):
                return True
        for year, month, day in self._days:
            try:
                bases.append(date(year or wanted.year, month, day))
            except ValueError:
                continue
        steps = {n * _DAYS[unit] for n, unit in self._spans if unit in _DAYS}
        if re.search(r"\b(?:next|following|previous) day\b|\bday (?:after|before)\b|overnight", words):
            steps.add(1)
        months = {n for n, unit in self._spans if unit == "month"}
        return any(
            abs((wanted - base).days) in steps
            or (wanted.day == base.day and abs((wanted.year - base.year) * 12 + wanted.month - base.month) in months)
            for base in bases
        )

    def _time(self, clock: str) -> bool:
        minutes = int(clock[:2]) * 60 + int(clock[3:5])
        if any(minutes in r.times or minutes in r.maybe_times for r in self._readings):
            return True
        if any(clock[:5] in text for text in self.seen):
            return True
        spans = {n * _MINUTES[unit] for n, unit in self._spans if unit in _MINUTES}
        known = {t for r in (*self._readings, *self._seen_readings) for t in (*r.times, *r.maybe_times)}
        return any((t + s) % 1440 == minutes or (t - s) % 1440 == minutes for t in known for s in spans)

    def _number(self, value: float | Decimal, money: bool) -> bool:
        try:
            wanted = Decimal(str(value))
        except InvalidOperation:
            return False
        if wanted == wanted.to_integral_value() and any(
            str(int(wanted)) in text and occurs(str(int(wanted)), text) for text in self.seen
        ):
            return True  # what people said is read first: "14 June" says no 14
        said = {n for r in self._readings for n in r.numbers}
        if wanted in said or (money and (wanted / 100 in said or any(wanted in r.cents for r in self._readings))):
            return True
        if wanted == 1:
            return any(_ALONE.search(text) for text in self.users)
        if wanted == 2 and any(_PAIR.search(text) for text in self.users):
            return True
        if 0 < wanted <= 60 and (self._span_of_days(int(wanted)) or any(wanted in _sums(read(t)) for t in self.users)):
            return True
        return self._worked_out(wanted) if money else False

    def _span_of_days(self, n: int) -> bool:
        """The nights between two days that were said."""
        days = {d for r in self._readings for d in r.days}
        dates = set()
        for year, month, day in days:
            try:
                dates.add(date(year or (self.today.year if self.today else 2000), month, day))
            except ValueError:
                continue
        return any((a - b).days == n for a in dates for b in dates)

    def _worked_out(self, amount: Decimal) -> bool:
        """A sum, a difference or a small multiple of known amounts, in minor units or given in major ones."""
        known = {n for r in self._seen_readings for n in r.numbers if abs(n) >= 1}
        known |= {n * k for r in self._readings for n in r.numbers for k in (1, 100)}
        for wanted in (amount, amount * 100):
            if wanted in known or any(wanted - a in known or a - wanted in known for a in known):
                return True
            if any(wanted == a * k for a in known if abs(a) > 12 for k in range(2, 13)):
                return True
        return False

    def _phrase(self, value: str) -> bool:
        if any(phrase_told(value, text) for text in self._texts):
            return True
        if any(c.isdigit() for c in value) or "@" in value:
            return False
        if any(phrase_told(value, text) for text in self.agreed):
            return True
        words = re.findall(r"[^\W_]+", fold(value))
        known = self._words
        return bool(words) and all(w in known or any(_akin(w, k) for k in known) for w in words)

    @cached_property
    def _words(self) -> set[str]:
        return {w for text in self._texts + self.agreed for w in re.findall(r"[^\W_]+", read(text).folded)}


def _akin(one: str, other: str) -> bool:
    """Italian and Italy, vegetarian and vegetarians: the same word but for its ending."""
    n = max(4, min(len(one), len(other)) - 3)
    return len(one) >= 4 and len(other) >= 4 and one[:n] == other[:n] and abs(len(one) - len(other)) <= 4


def _sums(reading: Reading) -> set[Decimal]:
    """Two adults and three children are five."""
    small = [n for n in reading.numbers if 0 < n <= 20]
    return {a + b for a in small for b in small if a != b or len(small) == 1} if len(small) <= 12 else set()
