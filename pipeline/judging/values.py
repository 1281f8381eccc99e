"""The values that a text holds: dates, times and numbers, however they are written.

`read(text)` takes a text apart once; what was understood as a date or a time is not read again as a number, and digits
inside a code ("R0012", "LN-104", "12B") are no number at all. Digits of any script count. Used both to find out whether
a value was told and whether an argument was said by somebody.

Not understood: years without a century before a day, number words beyond thousands, amounts such as "1.2k".
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import cached_property, lru_cache

from pipeline.judging.compare import fold
from pipeline.judging.lexicon import (
    CURRENCY_CODES,
    CURRENCY_SIGNS,
    MONTHS,
    ONE_AFTER,
    ONE_BEFORE,
    SUFFIXES,
)
from pipeline.judging.numerals import CENTS, NUMBER_WORDS, amounts, in_digits, readings, spoken, words_of

Day = tuple[int | None, int, int]
"""Year (None: not said), month, day."""

_MONTH = "|".join(sorted((re.escape(m) for m in MONTHS), key=len, reverse=True))
# "may" and "march" are verbs as well; no other month is.
_NOT_VERB = r"(?:(?<!\bmay)(?<!\bmarch)|(?!\s+(?:be|have|not|need|take|want|also|still|only|cost|apply|vary|change)\b))"
_M = rf"(?P<month>{_MONTH})\b\.?{_NOT_VERB}"
_ORD = r"(?:st|nd|rd|th|\.|º|er)?"
_TO = r"\s*(?:-|–|—|to|until|till|through|and|&|or)\s*(?:the\s+)?"
_YEAR = r"(?:\s*,?\s*(?:de\s+|of\s+)?(?P<year>(?:19|20)\d\d)(?![\d:]))?"
_CLOCK = r"(?!\d|:\d)(?!\s*[ap]\.?m\b)"
_DAY_PART = r"(?:\s*(?P<ap>[ap])\.?\s?m\b\.?|\s*(?:in the|at)\s+(?P<part>morning|afternoon|evening|night)\b)"

_ADDRESS = re.compile(r"\S+@\S+|https?://\S+|www\.\S+")
_ISO = re.compile(
    r"(?<![\w.-])(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})(?!\d)"
    r"(?:[t ](?P<h>[01]\d|2[0-3]):(?P<min>[0-5]\d)(?::[0-5]\d)?(?:\.\d+)?z?)?"
)
_DMY = re.compile(r"(?<![\w.,/-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-])")
_SLASH = re.compile(r"(?<![\w.,/-])(\d{1,2})/(\d{1,2})(?![\w/])")
_DAY_MONTH = re.compile(
    rf"(?<![\w.,:/-])(?P<d1>\d{{1,2}}){_ORD}(?:{_TO}(?P<d2>\d{{1,2}}){_ORD})?\s*(?:of\s+|de\s+)?{_M}{_YEAR}"
)
_MONTH_DAY = re.compile(
    rf"\b{_M}\s+(?:the\s+)?(?P<d1>\d{{1,2}}){_ORD}{_CLOCK}"
    rf"(?:(?P<to>{_TO})(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?{_CLOCK}(?!\s+(?:{_MONTH})\b))?{_YEAR}"
)
_CJK = re.compile(r"(?:(\d{4})\s*[年년]\s*)?(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일号號]")
_TIME = re.compile(rf"(?<![\w:.,])(?P<h>[01]?\d|2[0-3]):(?P<min>[0-5]\d)(?::[0-5]\d)?(?![\d:]){_DAY_PART}?")
_HOUR = re.compile(rf"(?<![\w:.,])(?P<h>1[0-2]|0?[1-9])(?:\.(?P<min>[0-5]\d))?{_DAY_PART}")
_FRENCH = re.compile(r"(?<![\w:.,])(?P<h>[01]?\d|2[0-3])\s?[h時](?P<min>[0-5]\d)?分?(?!\w)")
_NAMED_TIME = re.compile(r"\b(noon|midday|midnight)\b")
_SOME_HOUR = re.compile(
    r"\b(?:at|by|around|about|for|from|until|till|before|after|to)\s+(?P<h>2[0-3]|1\d|\d)(?:[.](?P<min>[0-5]\d))?(?![\w:]|[.,]\d)"
    r"|(?<![\w:.,])(?P<oh>1[0-2]|\d)\s*o['’]clock"
)
_ORDINAL = re.compile(r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)\b")
_GROUP_SPACE = re.compile(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_SPACED = re.compile(
    rf"(?<![\d.,])\d{{1,3}}(?: \d{{3}})+(?=[.,]\d\d(?!\d)|\s?(?:[{CURRENCY_SIGNS}]|(?:eur|usd|kr|sek|nok|pln|zł)\b))"
)
_NUMBER = re.compile(r"\d+(?:[.,'’]\d+)*")
_LETTERS_BEFORE = re.compile(r"[^\W\d]+\$?$")
_LETTERS = re.compile(r"[^\W\d]+")
_MINUS = re.compile(rf"(?:(?<![^\s(:=])-[{CURRENCY_SIGNS}]?|[{CURRENCY_SIGNS}]-)$")
_VAGUE = re.compile(r"\b(?:few|several|many|some)\s+$")
_WORD = re.compile(r"[^\W\d_]+")


def plain_digits(text: str) -> str:
    """The text with every script's digits and separators as ASCII has them, and compatibility forms as plain ones."""
    if text.isascii():
        return text
    text = _GROUP_SPACE.sub("", text).replace("٫", ".").replace("٬", ",").replace("−", "-")
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


class Reading:
    """What a text holds.

    `days`, `times` (minutes of the day) and `numbers` are what it plainly says; `cents` are numbers of minor units.
    `maybe_days` (days of an unsaid month) and `maybe_times` (without the half of the day) are what it may mean.
    """

    __slots__ = ("__dict__", "cents", "days", "maybe_days", "maybe_times", "numbers", "text", "times")

    def __init__(self, text: str) -> None:
        self.text = plain_digits(text)
        self.days: set[Day] = set()
        self.times: set[int] = set()
        self.numbers: set[Decimal] = set()
        self.cents: set[Decimal] = set()
        self.maybe_days: set[int] = set()
        self.maybe_times: set[int] = set()
        rest = in_digits(self.text.lower())  # the patterns are lower case: ignoring case costs them their speed
        if any(c.isdigit() for c in rest):
            rest = self._take_times(self._take_days(_ADDRESS.sub(" ; ", _SPACED.sub(_unspaced, rest))))
        rest = self._take_amounts(rest)
        self._numbers(rest)
        self._words(rest)

    @cached_property
    def folded(self) -> str:
        """For names and codes: folded, one spelling of what is written in several ways."""
        return fold(self.text).replace("_", " ").replace("’", "'").replace("canceled", "cancelled")

    # ------------------------------------------------------------ days

    def _day(self, year: str | int | None, month: int, day: int) -> bool:
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return False
        y = int(year) if year is not None else None
        self.days.add((y + 2000 if y is not None and y < 100 else y, month, day))
        return True

    def _take_days(self, text: str) -> str:
        def iso(m: re.Match[str]) -> str:
            if not self._day(m["y"], int(m["m"]), int(m["d"])):
                return m[0]
            if m["h"]:
                self.times.add(int(m["h"]) * 60 + int(m["min"]))
            return " ; "

        def two_ways(m: re.Match[str]) -> str:
            # 6/12 is read both ways: which one is meant is the speaker's custom, and either may be right.
            a, b, year = int(m[1]), int(m[3] if m.lastindex == 4 else m[2]), m[4] if m.lastindex == 4 else None
            one, other = self._day(year, a, b), self._day(year, b, a)
            return " ; " if one or other else m[0]

        def day_month(m: re.Match[str]) -> str:
            month = MONTHS[m["month"].lower()]
            found = [self._day(m["year"], month, int(d)) for d in (m["d1"], m["d2"]) if d]
            return " ; " if any(found) else m[0]

        def month_day(m: re.Match[str]) -> str:
            month = MONTHS[m["month"].lower()]
            if not self._day(m["year"], month, int(m["d1"])):
                return m[0]
            if m["d2"]:
                if int(m["d2"]) <= int(m["d1"]):  # "June 12 and 2 guests"
                    return f" ; {m['to']} {m['d2']} {m['year'] or ''}"
                self._day(m["year"], month, int(m["d2"]))
            return " ; "

        def cjk(m: re.Match[str]) -> str:
            return " ; " if self._day(m[1], int(m[2]), int(m[3])) else m[0]

        text = _DMY.sub(two_ways, _ISO.sub(iso, text))
        text = _MONTH_DAY.sub(month_day, _DAY_MONTH.sub(day_month, text))
        text = _SLASH.sub(two_ways, _CJK.sub(cjk, text))
        self.maybe_days |= {int(m["d"]) for m in _ORDINAL.finditer(text)}
        return text

    # ------------------------------------------------------------ times

    def _take_times(self, text: str) -> str:
        def clock(m: re.Match[str]) -> str:
            groups = m.groupdict()
            hour, minute = int(m["h"]), int(groups.get("min") or 0)
            half = (groups.get("ap") or "").lower() or {"morning": "a", "": ""}.get(groups.get("part") or "", "p")
            if half and hour <= 12:
                hour = hour % 12 + (12 if half == "p" else 0)
                if groups.get("part") == "night" and hour == 12:
                    hour = 0
            self.times.add(hour * 60 + minute)
            if not half and hour <= 12 and "ap" in groups:
                self.maybe_times.add((hour + 12) % 24 * 60 + minute)
            return " ; "

        text = _FRENCH.sub(clock, _HOUR.sub(clock, _TIME.sub(clock, text)))
        for m in _SOME_HOUR.finditer(text):
            hour = int(m["h"] or m["oh"])
            for h in (hour, (hour + 12) % 24) if hour <= 12 else (hour,):
                self.maybe_times.add(h * 60 + int(m["min"] or 0))
        return text

    # ------------------------------------------------------------ numbers

    def _take_amounts(self, text: str) -> str:
        """Amounts in two parts are one number: nobody who says "eight pounds fifty" says 8 or 50."""
        for start, end, value in sorted(amounts(text), reverse=True):
            self.numbers.add(value)
            text = f"{text[:start]} ; {text[end:]}"
        return text

    def _numbers(self, text: str) -> None:
        for m in _NUMBER.finditer(text):
            start, end = m.span()
            before = text[start - 1] if start else " "
            after = text[end] if end < len(text) else " "
            if before in "_@⁄" or after in "_@⁄" or (before == "-" and start > 1 and text[start - 2].isalpha()):
                continue
            if before.isalpha():
                letters = _LETTERS_BEFORE.search(text, max(0, start - 8), start)
                if letters is None or letters[0].lower() not in CURRENCY_CODES:
                    continue
                if letters.start() and text[letters.start() - 1].isalnum():
                    continue
                if letters[0].lower() == "r" and len(m[0]) < 3:  # R12 is a rule of a policy, R120 an amount
                    continue
            if after.isalpha():
                letters = _LETTERS.match(text, end)
                code = letters is None or letters[0].lower() not in SUFFIXES
                if code and not _unspaced_script(after):
                    continue
            elif after == "-":
                letters = _LETTERS.match(text, end + 1)
                if letters is not None and len(letters[0]) < 3:
                    continue
            minus = _MINUS.search(text, max(0, start - 3), start) is not None
            for value in readings(m[0]):
                self.numbers.add(-value if minus else value)
                if CENTS.match(text, end):
                    self.cents.add(value)

    def _words(self, text: str) -> None:
        for m in NUMBER_WORDS.finditer(text):
            words = words_of(m[0])
            if words == ["one"]:
                last = _WORD.findall(text[max(0, m.start() - 16) : m.start()])
                following = _WORD.match(text, m.end() + 1)
                if (last and last[-1] in ONE_AFTER) or not following or following[0] in ONE_BEFORE:
                    continue
            if words[0] in ("hundred", "thousand", "million") and _VAGUE.search(text, 0, m.start()):
                continue
            values = spoken(words)
            for value in values:
                self.numbers.add(Decimal(value))
                half_day = value * 60
                if value <= 12:
                    self.maybe_times |= {half_day % 1440, (half_day + 720) % 1440}
            if CENTS.match(text, m.end()):
                self.cents.add(Decimal(values[-1]))
            if len(values) == 2 and 10 <= values[1] < 100 and "and" not in words:
                self.numbers.add(values[0] + Decimal(values[1]) / 100)  # "eight fifty"
        for m in _NAMED_TIME.finditer(text):
            self.times.add(0 if m[1].lower() == "midnight" else 720)


@lru_cache(maxsize=512)
def read(text: str) -> Reading:
    """The reading of a text, remembered: the same messages are asked about many values."""
    return Reading(text)


def _unspaced(m: re.Match[str]) -> str:
    return m[0].replace(" ", "")


def _unspaced_script(c: str) -> bool:
    """Whether letters of this script stand next to numbers without a space (CJK, Thai, …)."""
    return c.lower() == c.upper()
