"""YAML is read strictly, and every complaint says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.world.yaml_file import MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml


def value(text: str) -> object:
    return parse_yaml(text, "f.yaml")[0]


@pytest.mark.parametrize(
    "word",
    ["no", "on", "off", "yes", "y", "n", "12:30", "2026-05-01", "1_000", "0x1f", "010", "1e3", ".5", "NaN", "Null"],
)
def test_a_word_that_older_yaml_would_change_stays_text(word: str) -> None:
    assert value(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-12", -12),
        ("0", 0),
        ("1.50", 1.5),
        ("'7'", "7"),
        ('"true"', "true"),
    ],
)
def test_only_plain_numbers_and_words_are_typed(text: str, meant: object) -> None:
    assert value(f"a: {text}") == {"a": meant}


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "'a' is given twice", 3),
        ("a:\n  b: 1\n  b: 2\n", "'b' is given twice", 3),
        ("a: &x [1]\nb: *x\n", "anchors and aliases", 1),
        ("a: 1\nb: [1, 2\n", "is not YAML", 3),
        ("a: 1\n  b: 2\n", "is not YAML", 2),
        ("a: 1\n\tb: 2\n", "is not YAML", 2),
        ("a: 1\n---\nb: 2\n", "is not YAML", 2),
        ("\n", "is empty", 0),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper", 1),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text: str, says: str, line: int) -> None:
    with pytest.raises(BadInput) as error:
        value(text)
    assert says in error.value.what
    assert error.value.where == (f"f.yaml:{line}" if line else "f.yaml")


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(BadInput) as error:
        value(bomb)
    assert error.value.where == "f.yaml:1"


def test_a_tag_makes_no_object() -> None:
    assert value("a: !!python/object/apply:os.getcwd []\n") == {"a": []}


def test_a_key_that_is_a_number_stays_one_and_any_other_is_text() -> None:
    assert value("1: a\ntrue: b\n12:30: c\n") == {1: "a", "true": "b", "12:30": "c"}


def test_a_file_too_large_or_not_text_or_not_there_is_told(tmp_path: Path) -> None:
    large, odd = tmp_path / "large.yaml", tmp_path / "odd.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    odd.write_bytes(b"a: \xff\xfe")
    for file, says in ((large, "larger than"), (odd, "is not UTF-8"), (tmp_path / "none.yaml", "cannot be read")):
        with pytest.raises(BadInput, match=says) as error:
            read_yaml(file)
        assert str(file) in str(error.value)


def test_the_line_of_a_value_that_is_missing_is_that_of_what_holds_it() -> None:
    _, lines = parse_yaml("a:\n  b:\n    - c: 1\n      d: 2\n", "f.yaml")
    assert lines.at(("a", "b", 0, "d")) == "f.yaml:4"
    assert lines.at(("a", "b", 0, "e", "f")) == "f.yaml:3"
    assert lines.at(()) == "f.yaml:1"
