"""Arguments with one reading are mended and said to be; others are left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.repair import repair_object


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}, "code fence"),
        ('{"a": [1, 2,], "b": "x,]",}', {"a": [1, 2], "b": "x,]"}, "comma"),
        (
            '{"a": True, "b": None, "c": "None of it is True"}',
            {"a": True, "b": None, "c": "None of it is True"},
            "Python",
        ),
        (json.dumps('{"a": 1}'), {"a": 1}, "string"),
        ('```\n{"a": False,}\n```', {"a": False}, "comma"),
    ],
)
def test_what_has_one_reading_is_mended_and_said(text: str, value: object, said: str) -> None:
    found = repair_object(text)
    assert found is not None and json.loads(found[0]) == value and said in found[1]


@pytest.mark.parametrize(
    "text", ['{"a": 1', '{"a": }', "7", "[1]", '{"a" 1}', "{'a': 1}", "berth B07", "", '{"a": 1} and more']
)
def test_what_could_mean_several_things_is_left_alone(text: str) -> None:
    assert repair_object(text) is None


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.lists(st.booleans(), max_size=3)))
def test_what_is_an_object_already_is_never_touched(value: object) -> None:
    assert repair_object(json.dumps(value)) is None


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), min_size=1), st.integers(1, 40))
def test_what_was_cut_off_is_never_completed(value: object, cut: int) -> None:
    whole = json.dumps(value)
    assert repair_object(whole[: max(1, len(whole) - cut)]) is None
