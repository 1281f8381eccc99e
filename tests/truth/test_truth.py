"""The verdicts agree with people: hand-checked conversations, written to deceive, are judged as their labels say.

The cases stand in `<domain>.yaml` beside this file; `pipeline/trust/cases.py` says how they are written. A verdict that
is known to be wrong has its explanation in the case (`miss:`); one that nobody explains fails the test.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.trust.cases import Cases, load_cases
from pipeline.trust.truth import Bench, Tried, bench_of, why
from pipeline.world import find_domain

HERE = Path(__file__).parent
FLAGSHIPS = ("banking", "retail", "telecom", "travel")
CASES = 60  # of a flagship at least
BAR = 0.98


@pytest.fixture(scope="module")
def tried() -> dict[str, list[Tried]]:
    """The cases of each domain as they were played and judged, filled as they are asked for."""
    return {}


def files() -> list[Path]:
    return sorted(HERE.glob("*.yaml"))


def test_every_flagship_has_cases() -> None:
    assert set(FLAGSHIPS) <= {file.stem for file in files()}


def judged(domain: str, tried: dict[str, list[Tried]]) -> list[Tried]:
    if domain not in tried:
        bench, cases = read(domain)
        tried[domain] = [bench.play(cases, number) for number in range(len(cases.cases))]
    return tried[domain]


def read(domain: str) -> tuple[Bench, Cases]:
    folder = HERE.parent / "toy" if domain == "toy" else find_domain(domain)
    return bench_of(folder), load_cases(HERE / f"{domain}.yaml")


@pytest.mark.parametrize("domain", [file.stem for file in files()])
def test_every_verdict_is_as_labelled_or_its_miss_is_explained(domain: str, tried: dict[str, list[Tried]]) -> None:
    wrong = []
    for one in judged(domain, tried):
        if one.as_labelled and one.case.miss is not None:
            wrong.append(f"{one.case.name}: is judged as labelled now; `miss:` can go")
        if not one.as_labelled and one.case.miss is None:
            wrong.append(f"{one.case.name}: label {one.case.label} ({one.case.why}), but {why(one) or 'it passed'}")
    assert not wrong, "\n".join(wrong)


def test_precision_and_recall_of_passed_are_at_the_bar_over_all_domains(tried: dict[str, list[Tried]]) -> None:
    everything = [one for file in files() for one in judged(file.stem, tried)]
    right = sum(one.passed and one.case.label == "pass" for one in everything)
    assert right >= BAR * sum(one.passed for one in everything), "precision"
    assert right >= BAR * sum(one.case.label == "pass" for one in everything), "recall"


@pytest.mark.parametrize("domain", [file.stem for file in files()])
def test_a_domain_has_enough_cases_and_about_half_of_them_are_to_pass(domain: str) -> None:
    _, cases = read(domain)
    passes = sum(case.label == "pass" for case in cases.cases)
    assert len(cases.cases) >= (CASES if domain in FLAGSHIPS else 10)
    assert 0.4 <= passes / len(cases.cases) <= 0.6
