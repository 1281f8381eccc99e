"""The second opinion: which spellings of a value it knows, and what it takes for a day."""

from __future__ import annotations

import pytest

from pipeline.check.oracle import is_day, place, spellings
from pipeline.types import Answer

TODAY = "2026-05-01"


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-05-12", True),
        ("2026-05-12 09:30", True),
        ("2026-05-12T09:30:00Z", True),
        ("2026-02-30", False),
        ("2026-05-12-B", False),
        ("ABCD-12-99", False),
        ("ABCD-1", False),
    ],
)
def test_a_day_is_told_from_a_code_that_looks_like_one(value: str, day: bool) -> None:
    assert is_day(value) is day
    assert value in spellings(Answer(label="x", value=value), TODAY)


def test_a_value_is_known_in_its_usual_spellings() -> None:
    assert {"12 May", "May 12", "Tuesday 12 May"} <= set(spellings(Answer(label="x", value="2026-05-12"), TODAY))
    assert {"9:30 am", "09:30"} <= set(spellings(Answer(label="x", value="2026-05-12 09:30"), TODAY))
    assert spellings(Answer(label="x", value=120450, money=True), TODAY) == ["1,204.50", "1204.50", "1,204.50"]
    assert "three" in spellings(Answer(label="x", value=3), TODAY)
    assert spellings(Answer(label="x", value="2b:30"), TODAY) == ["2b:30"]


def test_a_spelling_stands_only_as_a_whole() -> None:
    assert place("88.00").search("It costs $88.00.")
    assert not place("88.00").search("It costs $188.00.")
    assert not place("12").search("on the 12.5th") and not place("SB-02").search("SB-0205")
