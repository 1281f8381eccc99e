"""Numbers as they are written with separators, and as they are said in words: counts, amounts, days and hours.

What is said in words is either read here (`spoken`, `amounts`) or put into digits (`in_digits`), so that there is one
way to read a day or an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from pipeline.judging.lexicon import CURRENCY_SIGNS, MAJOR_UNITS, MINOR_UNITS, MONTHS, ORDINALS, TENS, UNITS


@lru_cache(maxsize=4096)
def readings(token: str) -> tuple[Decimal, ...]:
    """The numbers that digits with separators can mean: '1.204,50' is one number, '1.204' may be two.

    A code with leading zeros is none.
    """
    token = token.replace("’", "'")
    parts = re.split(r"[.,']", token)
    marks = [c for c in token if c in ".,'"]
    if len(parts[0]) > 1 and parts[0][0] == "0":
        return ()
    if not marks:
        return (Decimal(token),)
    last, tail = marks[-1], parts[-1]
    grouped = _grouped(parts)
    if len(set(marks)) == 1:
        if len(marks) > 1:
            if grouped:
                return (Decimal("".join(parts)),)
            return tuple(Decimal(p) for p in parts) if last == "," else ()  # a list; or a version, an address
        if len(tail) == 3 and grouped and parts[0] != "0":
            whole = Decimal("".join(parts))
            return (whole, Decimal(".".join(parts))) if last == "." else (whole,)
        return () if last == "'" else (Decimal(".".join(parts)),)
    if last != "'" and len(set(marks[:-1])) == 1 and marks[0] != last and _grouped(parts[:-1]):
        return (Decimal("".join(parts[:-1]) + "." + tail),)
    return ()


def _grouped(parts: list[str]) -> bool:
    """Thousands (or, as in India, hundreds after the first thousand) set apart."""
    return 1 <= len(parts[0]) <= 3 and len(parts[-1]) == 3 and all(len(p) in (2, 3) for p in parts[1:-1])


# ---------------------------------------------------------------- counts in words

_SMALL = "|".join([*TENS, *sorted(UNITS, key=len, reverse=True)])
_PART = rf"(?:{_SMALL}|hundred|thousand|million)"
_RUN = rf"(?:an?\s+(?=hundred|thousand|million))?{_PART}(?:(?:[\s-]+|\s+and\s+|\s+and\s+an?\s+(?=hundred)){_PART})*"
NUMBER_WORDS = re.compile(rf"\b(?:{_RUN})\b")
_WORD = re.compile(r"[^\W\d_]+")


def spoken(words: list[str]) -> list[int]:
    """The numbers that a run of number words says: 'two hundred and fifty' is one, 'two three' are two."""
    out: list[int] = []
    total, current, seen, last = 0, 0, False, ""
    for word in [*words, ""]:
        if word == "and":
            if last not in ("hundred", "thousand", "million"):
                if seen:
                    out.append(total + current)
                total, current, seen = 0, 0, False
            last = word
            continue
        if word in UNITS or word in TENS:
            value = UNITS.get(word, TENS.get(word, 0))
            large = ("hundred", "thousand", "million", "and")
            fits = not seen or last in large or (last in TENS and 0 < value < 10)
            if not fits:
                out.append(total + current)
                total, current = 0, 0
            current, seen = current + value, True
        elif word == "hundred":
            current, seen = 100 * current if current % 100 else current + 100, True
        elif word in ("thousand", "million"):
            total, current, seen = total + max(current, 1) * (1000 if word == "thousand" else 10**6), 0, True
        elif not word and seen:
            out.append(total + current)
        last = word
    return out


def words_of(text: str) -> list[str]:
    """The number words of a run, in order."""
    return [word for word in _WORD.findall(text) if word not in ("a", "an")]


# ---------------------------------------------------------------- amounts with their units

_DIGIT = f"(?:{'|'.join(list(UNITS)[:10])})"
_TEENS = "|".join(list(UNITS)[10:])
_TWO_DIGITS = rf"(?:(?:{'|'.join(TENS)})(?:[\s-]{_DIGIT})?|{_TEENS})"
_NUM = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d+|{_RUN})"
_MAJOR = rf"(?<![\w.,-])(?:[{CURRENCY_SIGNS}]\s?(?P<signed>{_NUM})|(?P<major>{_NUM})\s*(?:{MAJOR_UNITS}))(?![.\w])"
_MINOR = rf"(?:\s*,)?\s*(?:and\s+|&\s*)?(?P<minor>\d\d?|{_TWO_DIGITS}|{_DIGIT})\s?(?:{MINOR_UNITS})\b"
# Without a unit only after a unit, and "12 euros 20 times" names no hundredths.
_COUNTED = r"times|nights|days|weeks|months|hours|minutes|points|people|guests|seats|percent"
_BARE = rf"(?(major)\s+(?P<bare>\d\d|{_TWO_DIGITS})\b(?![:%]|[.,]\d|\s*(?:{_COUNTED})\b)|(?!))"
_AMOUNT = re.compile(f"{_MAJOR}(?:{_MINOR}|{_BARE})")
_POINT = re.compile(rf"(?<![\w.,-])(?P<whole>{_RUN})\s+point\s+(?P<part>{_DIGIT}(?:[\s-]{_DIGIT})*)\b")
_MAJORS = (*CURRENCY_SIGNS, *(unit.rstrip("s?") for unit in MAJOR_UNITS.split("|")))
CENTS = re.compile(rf"\s*(?:(?:{MINOR_UNITS})\b|¢)")


class Amount(NamedTuple):
    """A number that is said in two parts, and where it stands."""

    start: int
    end: int
    value: Decimal


def amounts(text: str) -> Iterator[Amount]:
    """The amounts of major and minor units ("eight pounds fifty-eight", "€8 and 50 cents") and "eight point five"."""
    # Long results name no units: looking for their beginnings first saves most of the time that reading takes.
    two = any(unit in text for unit in _MAJORS)
    for m in _AMOUNT.finditer(text) if two else ():
        whole, part = _count(m["signed"] or m["major"]), _count(m["minor"] or m["bare"])
        if whole is not None and part is not None and part < 100:
            yield Amount(m.start(), m.end(), whole + Decimal(part) / 100)
    for m in _POINT.finditer(text) if " point " in text else ():
        whole = _count(m["whole"])
        if whole is not None:
            digits = "".join(str(UNITS[word]) for word in _WORD.findall(m["part"]))
            yield Amount(m.start(), m.end(), whole + Decimal(f"0.{digits}"))


def _count(said: str) -> int | None:
    """A whole number in digits or in words; None where the words say several."""
    if said[0].isdigit():
        return int(said.replace(",", ""))
    values = spoken(words_of(said))
    return values[0] if len(values) == 1 else None


# ---------------------------------------------------------------- days and hours in words

_ORD = "|".join(sorted((w.replace("-", "[- ]") for w in ORDINALS), key=len, reverse=True))
# "You may first check" and "the second march" are no days; "the first of May" is one.
_MONTH = "|".join(sorted((re.escape(m) for m in MONTHS if m not in ("may", "march", "mar")), key=len, reverse=True))
_DAY = re.compile(
    rf"\b(?P<day>{_ORD})(?=\s+(?:of\s+(?:may|march|{_MONTH})|{_MONTH})\b)"
    rf"|(?<!\w)(?:(?P<month>{_MONTH})\s+(?:the\s+)?|(?P<verb>may|march)\s+the\s+)(?P<day2>{_ORD})\b"
)
_HOUR = rf"(?P<hour>1[0-2]|[1-9]|{'|'.join(list(UNITS)[1:13])})"
_MINUTES = r"(?:oh five|(?:twenty|thirty|forty|fifty)(?:[\s-]five)?|five|ten|fifteen)"
_PAST = re.compile(rf"\b(?P<how>half|(?:a )?quarter|five|ten|twenty)\s+(?P<way>past|to)\s+{_HOUR}(?:\s+o['’]?clock)?\b")
_HALF = r"(?=\s*(?:[ap]\.?\s?m\b|(?:in the|at)\s+(?:morning|afternoon|evening|night)\b))"
_SAID = re.compile(rf"\b{_HOUR}(?:\s+(?P<minutes>{_MINUTES}))?(?:\s+o['’]?clock)?{_HALF}")


def in_digits(text: str) -> str:
    """A text in lower case with days and hours in digits: "the twelfth of June", "half past two", "seven in the
    evening". Nothing else is touched."""
    if "past" in text or "quarter" in text:
        text = _PAST.sub(_clock, text)
    if any(word in text for word in ORDINALS):
        text = _DAY.sub(_day, text)
    return _SAID.sub(_hour, text)


def _day(m: re.Match[str]) -> str:
    number = ORDINALS[(m["day"] or m["day2"]).replace(" ", "-")]
    return f"{number}th" if m["day"] else f"{m['month'] or m['verb']} {number}th"


def _clock(m: re.Match[str]) -> str:
    minutes = {"half": 30, "quarter": 15, "a quarter": 15, "five": 5, "ten": 10, "twenty": 20}[m["how"]]
    hour = _count(m["hour"]) or 0
    if m["way"] == "to":
        if m["how"] not in ("quarter", "a quarter"):
            return m[0]  # "from ten to three" is no quarter of an hour
        hour, minutes = (hour - 1) or 12, 60 - minutes
    return f"{hour}:{minutes:02}"


def _hour(m: re.Match[str]) -> str:
    if m["minutes"] is None:
        return str(_count(m["hour"]))
    return f"{_count(m['hour'])}:{spoken(words_of(m['minutes'].replace('oh ', '')))[0]:02}"
