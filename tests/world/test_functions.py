"""The functions of domain SQL: right where they can be, NULL for nonsense, and never an error."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.world.access import connect
from pipeline.world.functions import (
    FUNCTIONS,
    add_days,
    add_minutes,
    days_between,
    instr,
    minutes_between,
    replace,
    spread,
    weekday,
)

ANY = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.binary(max_size=8),
    st.floats(allow_nan=False),
    st.sampled_from(["2026-02-30", "2026-13-01", "9999-12-31", "0001-01-01", "2026-05-01 10:00", "2026-05-01T25:61"]),
)
DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@pytest.fixture(scope="module")
def database():
    found = connect()
    yield found
    found.close()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@given(data=st.data())
def test_a_function_is_total(name: str, data: Any, database) -> None:
    arity = FUNCTIONS[name][0]
    arguments = [data.draw(ANY) for _ in range(arity)]
    (value,) = database.execute(f"SELECT {name}({', '.join('?' * arity)})", arguments).fetchone()
    assert value is None or isinstance(value, (int, str))
    assert (value,) == database.execute(f"SELECT {name}({', '.join('?' * arity)})", arguments).fetchone()


@given(DAYS, st.integers(-30000, 30000))
def test_days_add_up(day: date, n: int) -> None:
    later = add_days(day.isoformat(), n)
    assert later == (day + timedelta(days=n)).isoformat()
    assert days_between(day.isoformat(), later) == n
    assert weekday(later) == (day + timedelta(days=n)).strftime("%A")


@given(st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)), st.integers(-(10**6), 10**6))
def test_minutes_add_up(moment: datetime, n: int) -> None:
    start = moment.strftime("%Y-%m-%d %H:%M")
    later = add_minutes(start, n)
    assert minutes_between(start, later) == n
    assert later == (moment.replace(second=0, microsecond=0) + timedelta(minutes=n)).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize("day", ["2026-02-30", "tomorrow", "", None, 20260101, "2026-1-1"])
def test_a_day_that_is_none_gives_null(day: Any) -> None:
    assert (add_days(day, 1), days_between(day, "2026-01-01"), days_between("2026-01-01", day), weekday(day)) == (
        None,
    ) * 4


def test_what_leaves_the_calendar_gives_null() -> None:
    assert (add_days("9999-12-31", 1), add_days("0001-01-01", -1), add_days("2026-01-01", 10**12)) == (None,) * 3
    assert add_minutes("9999-12-31 23:59", 1) is None


@given(st.text(max_size=20), st.integers(-1000, 1000), st.integers(0, 1000))
def test_a_spread_value_stays_within_and_follows_from_its_key(key: str, low: int, width: int) -> None:
    value = spread(key, low, low + width)
    assert low <= value <= low + width
    assert value == spread(key, low, low + width)


def test_spread_values_differ_and_fill_the_range() -> None:
    values = [spread(f"key {n}", 1, 10) for n in range(400)]
    assert all(20 <= values.count(n) <= 70 for n in range(1, 11))
    assert spread("a", 5, 4) is None


@given(TEXT, TEXT, TEXT)
def test_instr_and_replace_are_those_of_sqlite(text: str, part: str, new: str) -> None:
    import sqlite3

    plain = sqlite3.connect(":memory:")
    try:
        assert plain.execute("SELECT instr(?, ?), replace(?, ?, ?)", (text, part, text, part, new)).fetchone() == (
            instr(text, part),
            replace(text, part, new),
        )
    finally:
        plain.close()


@pytest.mark.parametrize(("a", "b"), [(None, "x"), ("x", None), (12, 2), ("12", 2), (1.5, ".")])
def test_instr_takes_what_sqlites_takes(a: Any, b: Any) -> None:
    import sqlite3

    assert sqlite3.connect(":memory:").execute("SELECT instr(?, ?)", (a, b)).fetchone() == (instr(a, b),)
