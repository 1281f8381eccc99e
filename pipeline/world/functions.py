"""The deterministic functions that domain SQL may call besides SQLite's own.

Each is total: what it cannot read gives NULL, as SQLite's own date functions do, so that a guard can refuse it.
There is no clock and no randomness here; `spread` is a hash, not a draw.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from pipeline.wording import fold

_MINUTES = "%Y-%m-%d %H:%M"
MAX_REPLACED = 250_000  # characters that `replace` may make


@lru_cache(maxsize=8192)
def _date(text: Any) -> date | None:
    if not isinstance(text, str) or len(text) < 10:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str) or len(text) < 16:
        return None
    try:
        return datetime.fromisoformat(text[:16])
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def add_days(day: Any, n: Any) -> str | None:
    """The ISO date `n` days after `day` (a date or a date-time, whose time is dropped)."""
    start = _date(day)
    if start is None or not isinstance(n, int):
        return None
    try:
        return (start + timedelta(days=n)).isoformat()
    except OverflowError:
        return None


def days_between(first: Any, last: Any) -> int | None:
    """Days from `first` to `last`; negative when `last` is earlier."""
    a, b = _date(first), _date(last)
    return None if a is None or b is None else (b - a).days


def weekday(day: Any) -> str | None:
    """`Monday` to `Sunday`."""
    at = _date(day)
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return None if at is None else names[at.weekday()]


def add_minutes(moment: Any, n: Any) -> str | None:
    """The moment (`YYYY-MM-DD HH:MM`) `n` minutes later."""
    at = _moment(moment)
    if at is None or not isinstance(n, int):
        return None
    try:
        return (at + timedelta(minutes=n)).strftime(_MINUTES)
    except OverflowError:
        return None


def minutes_between(first: Any, last: Any) -> int | None:
    """Whole minutes from `first` to `last`; negative when `last` is earlier."""
    a, b = _moment(first), _moment(last)
    return None if a is None or b is None else int((b - a).total_seconds() // 60)


def spread(key: Any, low: Any, high: Any) -> int | None:
    """A number in [low, high] that looks drawn but follows from `key` alone: prices that vary, and stay."""
    if not (isinstance(low, int) and isinstance(high, int)) or high < low:
        return None
    digest = blake2b(str(key).encode(), digest_size=8).digest()
    return low + (int.from_bytes(digest, "big") * (high - low + 1) >> 64)


def instr(text: Any, part: Any) -> int | None:
    """SQLite's own, in linear time: its takes the product of both lengths, within one step that nothing can stop."""
    return None if text is None or part is None else _plain(text).find(_plain(part)) + 1


def replace(text: Any, old: Any, new: Any) -> str | None:
    """SQLite's own, in linear time, as `instr`."""
    if text is None or old is None or new is None:
        return None
    text, old, new = _plain(text), _plain(old), _plain(new)
    if not old:
        return text
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_REPLACED:
        raise ValueError("too long")
    return text.replace(old, new)


def _plain(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "add_days": (2, add_days),
    "days_between": (2, days_between),
    "weekday": (1, weekday),
    "add_minutes": (2, add_minutes),
    "minutes_between": (2, minutes_between),
    "fold": (1, fold),
    "spread": (3, spread),
    "instr": (2, instr),
    "replace": (3, replace),
}


def install(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    for name, (arity, function) in FUNCTIONS.items():
        connection.create_function(name, arity, function, deterministic=True)
