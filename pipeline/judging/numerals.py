"""Numbers as they are written with separators, and as they are said in words."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from pipeline.judging.lexicon import TENS, UNITS


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


def spoken(words: list[str]) -> list[int]:
    """The numbers that a run of number words says: 'two hundred and fifty' is one, 'two three' are two."""
    out: list[int] = []
    total, current, seen, last = 0, 0, False, ""
    for word in [*words, ""]:
        if word == "and":
            if last not in ("hundred", "thousand"):
                if seen:
                    out.append(total + current)
                total, current, seen = 0, 0, False
            last = word
            continue
        if word in UNITS or word in TENS:
            value = UNITS.get(word, TENS.get(word, 0))
            fits = not seen or last in ("hundred", "thousand", "and") or (last in TENS and 0 < value < 10)
            if not fits:
                out.append(total + current)
                total, current = 0, 0
            current, seen = current + value, True
        elif word == "hundred" and seen:
            current *= 100
        elif word == "thousand" and seen:
            total, current = total + current * 1000, 0
        elif not word and seen:
            out.append(total + current)
        last = word
    return out
