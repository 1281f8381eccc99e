"""What is measured beside a run says how many were found out of how many, and keeps a few findings at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.types import Message
from pipeline.errors import BadInput, DomainDefect
from pipeline.recipe import Recipe
from pipeline.storage.kept import Kept
from pipeline.storage.trust_file import NAME, Figure, TrustFile, read_trust, write_trust
from pipeline.trust.audit import KINDS
from pipeline.trust.measure import measure
from pipeline.verdicts import Record
from tests.trust.conftest import Play

CASE = """
- name: {name}
  label: {label}
  why: Somebody looked at it closely.
  intent: when_due
  turns:
    - user: opening
    - calls:
        - {{find_member: {{email: $email}}, as: member}}
        - {{list_loans: {{member_id: {member}}}, as: loans}}
    - agent: "It is due on {{{{ due_on | day }}}}."
"""


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of cases in the place of the toy domain's."""
    file = tmp_path / "toy.yaml"
    monkeypatch.setattr("pipeline.trust.measure.truth_file", lambda _: file if file.exists() else None)
    return file


def measured(recipe: Recipe, *records: Record, kept: Kept | None = None) -> TrustFile:
    return measure(recipe.domains, recipe.rubrics, records, kept or Kept(None, "measure"), recipe.measure_key)


def figures(trust: TrustFile, part: str) -> dict[str, tuple[int, int]]:
    return {f.finding: (f.found, f.out_of) for f in trust.figures if f.part == part}


def test_verdicts_are_counted_against_the_labels(recipe: Recipe, cases: Path) -> None:
    member = "$member.member_id"
    texts = [
        CASE.format(name="right", label="pass", member=member),
        CASE.format(name="harsh", label="fail", member=member),
        CASE.format(name="stale", label="pass", member="$member.number"),
    ]
    cases.write_text("".join(texts), encoding="utf-8")
    trust = measured(recipe)
    assert figures(trust, "hand_checked") == {
        "precision of passed": (1, 2),
        "recall of passed": (1, 1),
        "verdicts as labelled": (1, 2),
        "cases that do not fit": (1, 3),
    }
    details = [one.detail for one in trust.examples]
    assert any("harsh" in detail and "it passed" in detail for detail in details)
    assert any("stale" in detail and "there is no number" in detail for detail in details)


def test_a_file_of_cases_that_cannot_be_read_is_a_finding_and_no_failure(recipe: Recipe, cases: Path) -> None:
    cases.write_text("- name: right\n  label: maybe\n", encoding="utf-8")
    trust = measured(recipe)
    assert figures(trust, "hand_checked") == {"cases that do not fit": (1, 1)}
    assert "toy.yaml:2" in trust.examples[0].detail


def test_a_domain_without_cases_has_no_such_figures_and_is_audited(recipe: Recipe, cases: Path) -> None:
    trust = measured(recipe)
    assert figures(trust, "hand_checked") == {}
    assert set(figures(trust, "audit")) == set(KINDS)
    assert all(found == 0 and calls >= 300 for found, calls in figures(trust, "audit").values())


def test_a_domain_is_measured_once_for_the_same_content(recipe: Recipe, cases: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache", "measure")
    cases.write_text(CASE.format(name="right", label="pass", member="$member.member_id"), encoding="utf-8")
    first = measured(recipe, kept=kept)
    (file,) = (tmp_path / "cache").rglob("*/*/*")
    made = file.stat().st_mtime_ns
    assert measured(recipe, kept=kept) == first and file.stat().st_mtime_ns == made
    cases.write_text(CASE.format(name="harsh", label="fail", member="$member.member_id"), encoding="utf-8")
    assert measured(recipe, kept=kept) != first
    assert len(list((tmp_path / "cache").rglob("*/*/*"))) == 2


def test_errors_of_the_user_are_counted_over_the_runs_own_conversations(
    recipe: Recipe, cases: Path, played: Play
) -> None:
    record = played("renew").record
    assert record is not None
    messages = list(record.trajectory.messages)
    at = max(i for i, m in enumerate(messages) if m.role == "user")
    messages[at] = Message(role="user", content="How can I help you today?")
    bad: Record = record.model_copy(
        update={"trajectory": record.trajectory.model_copy(update={"messages": tuple(messages)})}
    )
    trust = measured(recipe, record, bad)
    found = figures(trust, "users")
    assert found.pop("plays_the_agent") == (1, 2)
    assert set(found.values()) == {(0, 2)}
    assert [one.finding for one in trust.examples] == ["plays_the_agent"]


def test_what_was_measured_is_read_back_and_a_damaged_file_is_said(tmp_path: Path) -> None:
    trust = TrustFile(figures=(Figure(part="audit", domain="toy", finding="leak", found=0, out_of=9),))
    assert read_trust(tmp_path) is None
    write_trust(tmp_path, trust)
    made = (tmp_path / NAME).stat().st_mtime_ns
    write_trust(tmp_path, trust)
    assert read_trust(tmp_path) == trust and (tmp_path / NAME).stat().st_mtime_ns == made
    (tmp_path / NAME).write_text("{")
    with pytest.raises(BadInput, match="Remove it and run the same"):
        read_trust(tmp_path)


def test_a_domain_of_which_no_world_comes_is_a_finding_and_no_failure(
    recipe: Recipe, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise DomainDefect("no row can stand")

    cases.write_text(CASE.format(name="right", label="pass", member="$member.member_id"), encoding="utf-8")
    monkeypatch.setattr("pipeline.trust.audit.populate", nothing)
    monkeypatch.setattr("pipeline.trust.truth.populate", nothing)
    trust = measured(recipe)
    assert figures(trust, "audit") == {"defect": (1, 1)}
    assert figures(trust, "hand_checked")["cases that do not fit"] == (1, 1)
    assert all("no row can stand" in one.detail for one in trust.examples)
