"""A hostile domain is refused, or ends as its own defect, within little time and memory. Nothing of it gets out.

The cases run in processes of their own (`hostile.py`), so that one that is not bounded fails and does not hang.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 4.0  # of processor time; a statement has two
MEBIBYTES = 200

LONG = ("defect", "ran longer than")
EXPECTED: dict[str, tuple[str, str]] = {
    "recursion without end in a guard": LONG,
    "recursion without end in a result": LONG,
    "recursion without end in an effect": LONG,
    "recursion without end in a view": LONG,
    "recursion without end in a trigger": LONG,
    "recursion without end in a check": LONG,
    "recursion without end in a population": ("refused", "ran longer than"),
    "recursion that yields nothing": LONG,
    "a cross join": LONG,
    "rows written without end": LONG,
    "fat rows written": ("defect", ""),
    "a trigger that fires itself": ("defect", "too many levels of trigger recursion"),
    "a million rows": ("answer", '{"x":1}'),
    "a million rows sorted": LONG,
    "fat rows sorted": ("defect", ""),
    "a wide printf": ("answer", "null"),
    "a printf as wide as an argument says": ("answer", "null"),
    "text doubled without end": ("defect", "too big"),
    "replace that grows": ("defect", "raised exception"),
    "group_concat of everything": LONG,
    "json of everything": LONG,
    "zeroblob": ("refused", "function zeroblob()"),
    "hex of hex": ("defect", "too big"),
    "a slow search in text": ("defect", ""),
    "a slow pattern": ("defect", ""),
    "one result too large": ("defect", "one result of"),
    "deep JSON": ("defect", "malformed JSON"),
    "a pattern that backtracks": ("answer", "Invalid arguments"),
    "a pattern that backtracks and fits": ("answer", '{"n":10000}'),
    "an enormous pattern": ("refused", "not a JSON Schema"),
    "an axis without end": ("refused", "axis k"),
    "axes that multiply": ("refused", "grows beyond"),
    "rows without end": ("refused", "grows beyond"),
    "a number of a million digits as id": ("refused", "needs one {n}"),
    "a key of an object's inside": ("refused", "needs one {n}"),
    "aliases upon aliases": ("refused", "anchors and aliases"),
    "brackets without end": ("refused", "nested deeper"),
    "a template that looks inside": ("refused", "not allowed in a template"),
    "a template that looks inside by a filter": ("refused", "No filter named"),
    "a template that looks inside by an index": ("refused", "unsafe"),
    "a template that calls": ("refused", "Call"),
    "a template that loops over numbers": ("refused", "For"),
    "a template that loops in loops": ("refused", "a loop within a loop"),
    "a template that formats widely": ("refused", "Mod"),
    "a template that multiplies text": ("refused", "Mul"),
    "a template that computes": ("refused", "Pow"),
    "a template that pads widely": ("answer", "00000000000000000001"),
    "a template that includes": ("refused", "Include"),
    "a template that imports": ("refused", "Import"),
    "a template that defines": ("refused", "Macro"),
    "a template that is too long": ("refused", "longer than"),
    "views that read each other": ("refused", "circular"),
}


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[str, str, float, int]]:
    command = [sys.executable, "-m", "tests.world.hostile"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    return {case: tuple(values) for case, values in json.loads(answer.stdout).items()}


def test_every_case_is_run_and_judged(found: dict[str, tuple[str, str, float, int]]) -> None:
    assert set(found) == set(EXPECTED)


@pytest.mark.parametrize("case", EXPECTED)
def test_it_is_refused_or_bounded(case: str, found: dict[str, tuple[str, str, float, int]]) -> None:
    kind, text, seconds, mebibytes = found[case]
    assert (kind, EXPECTED[case][1] in text) == (EXPECTED[case][0], True), (kind, text)
    assert seconds <= SECONDS
    assert mebibytes <= MEBIBYTES


@pytest.mark.parametrize("case", ["a pattern that backtracks", "a pattern that backtracks and fits"])
def test_a_catastrophic_pattern_is_answered_at_once(case: str, found: dict[str, tuple[str, str, float, int]]) -> None:
    assert found[case][2] <= 0.25, "what opening a world takes included"
