"""The top rung of the ladder: a domain whose verifiers do not hold is refused, with the intent and the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.check.admission_rung import admission
from pipeline.check.parse import parse
from pipeline.check.prepare import prepare
from pipeline.check.subject import Found, Subject
from pipeline.check.worlds import populated
from tests.admission.test_admission import HIDDEN, WEAK_CHECK


def climb(folder: Path) -> Found:
    """The rung of a domain that the rungs below it let pass."""
    subject = Subject(folder)
    for rung in (parse, prepare, populated):
        assert rung(subject).refusals == []
    return admission(subject)


def test_the_toy_domain_is_admitted_in_every_intent(toy: Path) -> None:
    found = climb(toy)
    assert found.refusals == []
    assert "wrong runs fail" in found.words and "right runs pass" in found.words


def test_a_domain_that_hides_an_argument_is_refused_at_its_intent(edited: Callable[..., Path]) -> None:
    (refusal,) = climb(edited(WEAK_CHECK, HIDDEN)).refusals
    assert refusal.rung == "admission"
    assert refusal.where.startswith("toy/intents.yaml:") and "hold_until" in refusal.what
    assert "nothing compares holds.pickup_by" in refusal.what and "place_hold" in refusal.what
    assert refusal.remedy


def test_a_domain_whose_rule_fails_right_runs_is_refused(edited: Callable[..., Path]) -> None:
    strict = ("domain.yaml", "c.ok AND c.wrote AND c.name = 'adjust_fine'", "c.name = 'find_member'")
    refusals = climb(edited(strict)).refusals
    assert len(refusals) > 5
    assert all("gold" in refusal.what and "R4" in refusal.what for refusal in refusals)
