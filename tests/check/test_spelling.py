"""Where a spelling stands in a text, so that one value is rewritten and no other."""

from __future__ import annotations

import pytest

from pipeline.check.oracle import place


@pytest.mark.parametrize("text", ["€18 in all", "It is 18, please.", "(18)", "At 9:30 for 18."])
def test_a_number_is_found_where_it_stands_alone(text: str) -> None:
    assert place("18").search(text)


@pytest.mark.parametrize("text", ["doors at 18:30", "at 09:18", "€18.50", "€1,018", "1.18 kg", "FB-0018", "x18"])
def test_a_number_is_not_found_within_a_time_or_a_longer_number(text: str) -> None:
    assert not place("18").search(text)
