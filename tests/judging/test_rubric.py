"""Rubric files are read strictly, composed without clashes, and shipped whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.judging.criteria import CHECKS
from pipeline.judging.rubric import compose, domain_rubric, goal_criteria, load_rubric, rubric_files
from pipeline.paths import rubrics_root
from tests.judging.desk import task

GOOD = """title: A rubric for a test
criteria:
  - name: kind_words
    question: Is it kind?
    choices: [No., Somewhat., Yes.]
    by: model
  - name: found
    question: Is it found?
    choices: [No., Yes.]
    weight: 2
    gates: true
    by: code
    sql: SELECT 1
"""


def load(tmp_path: Path, text: str):
    (tmp_path / "test.yaml").write_text(text, encoding="utf-8")
    return load_rubric(tmp_path / "test.yaml")


def test_a_rubric_is_read_and_the_bar_is_the_best_choice_unless_it_says_otherwise(tmp_path: Path) -> None:
    rubric = load(tmp_path, GOOD)
    assert (rubric.name, [c.name for c in rubric.criteria]) == ("test", ["kind_words", "found"])
    assert [(c.bar, c.weight, c.gates) for c in rubric.criteria] == [(2, 1.0, False), (1, 2.0, True)]
    assert load(tmp_path, GOOD.replace("    by: model", "    bar: 1\n    by: model")).criteria[0].bar == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("weight: 2", "wait: 2", 10, "unknown key"),
        ("name: found", "name: kind_words", 7, "given twice"),
        ("name: found", "name: Found It", 7, "lower case"),
        ("by: model", "by: committee", 6, "'code' or 'model'"),
        ("by: model", "by: model\n    check: budget", 6, "neither check nor sql"),
        ("sql: SELECT 1", "check: no_such_check", 13, "no check named"),
        ("sql: SELECT 1", "check: budget\n    sql: SELECT 1", 12, "exactly one"),
        ("    sql: SELECT 1", "", 12, "exactly one"),
        ("choices: [No., Yes.]", "choices: [No., Maybe., Yes.]", 9, "two choices"),
        ("choices: [No., Yes.]", "choices: [Yes.]", 9, "at least 2"),
        ("choices: [No., Yes.]", "choices: [Yes., Yes.]", 9, "read the same"),
        ("weight: 2", "weight: 0", 10, "weight"),
        ("weight: 2", "bar: 0", 10, "bar 0"),
        ("weight: 2", "bar: 2", 10, "bar 2"),
        ("    question: Is it kind?\n", "", 3, "question"),
        ("by: code", "by: [code", 12, "not YAML"),
    ],
)
def test_a_mistake_in_a_rubric_names_file_and_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(BadInput) as raised:
        load(tmp_path, GOOD.replace(old, new, 1))
    text = str(raised.value)
    assert "test.yaml:" in text and says in text, text
    if says != "not YAML":
        assert f"test.yaml:{line}" in text, text


@pytest.mark.parametrize(
    "text", ["", "[]", "title: Nothing in it\ncriteria: []\n", "title: Nothing in it\ncriteria: 3\n"]
)
def test_a_file_that_is_no_rubric_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match=r"test\.yaml"):
        load(tmp_path, text)


def test_two_rubrics_may_not_name_a_criterion_alike(tmp_path: Path) -> None:
    rubric = load(tmp_path, GOOD)
    with pytest.raises(BadInput, match="kind_words"):
        compose("both", [rubric, rubric.model_copy(update={"name": "other"})])


def test_a_domains_rubric_is_core_prescriptive_and_its_own_file(tmp_path: Path) -> None:
    for name in ("core", "prescriptive"):
        (tmp_path / f"{name}.yaml").write_text((rubrics_root() / f"{name}.yaml").read_text(encoding="utf-8"))
    without = domain_rubric("desk", tmp_path)
    (tmp_path / "desk.yaml").write_text(GOOD)
    assert [f.name for f in rubric_files("desk", tmp_path)] == ["core.yaml", "prescriptive.yaml", "desk.yaml"]
    assert (
        domain_rubric("desk", tmp_path).criteria[len(without.criteria) :]
        == load_rubric(tmp_path / "desk.yaml").criteria
    )


def test_the_shipped_rubrics_use_every_check_and_gate_only_by_code() -> None:
    for file in sorted(rubrics_root().glob("*.yaml")):
        load_rubric(file)
    criteria = domain_rubric("no_such_domain").criteria
    assert {c.check for c in criteria if c.by == "code"} == set(CHECKS)
    gates = {c.name for c in criteria if c.gates}
    assert gates == {"grounded_arguments", "claims_have_effect", "confirmed_writes", "rules_kept", "said_no"}
    assert all(c.by == "code" for c in criteria if c.gates)


def test_an_intents_own_criteria_come_with_its_values_and_never_gate() -> None:
    own = {"success": ("The price was told.",), "patterns": ("SELECT 1",), "checkpoints": ("SELECT 2", "SELECT 3")}
    found = goal_criteria(task(values={"email": "x"}, **own))
    assert [c.name for c, _ in found] == ["stay.success1", "stay.pattern1", "stay.checkpoint1", "stay.checkpoint2"]
    assert [(c.by, c.sql) for c, _ in found][:2] == [("model", None), ("code", "SELECT 1")]
    assert all(values == {"email": "x"} and not c.gates for c, values in found)
    twice = [c.name for c, _ in goal_criteria(task(goals=2, **own))]
    assert len(set(twice)) == 8
