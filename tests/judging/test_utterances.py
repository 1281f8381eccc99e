"""What is said at service desks, taken for what it is: tables of hundreds of sentences, right ones and deceptive ones.

`utterances/<function>.txt` holds, under `== yes` and `== no`, what the function must say of each line: in the registers
of chats, letters, haste and people whose English is not their first. A line that begins with `!` is known to be taken
wrongly, and says why after ` | `.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.judging.claims import claims
from pipeline.judging.speech import asks, confirms, declines

HERE = Path(__file__).parent / "utterances"
FUNCTIONS: dict[str, Callable[[str], bool]] = {
    "claims": lambda text: any(True for _ in claims(text)),
    "declines": declines,
    "confirms": confirms,
    "asks": asks,
}
ENOUGH = 120  # of each answer of each function
BAR = 0.98


class Line(NamedTuple):
    """One utterance. `why`: why it is known to be taken wrongly; empty where it is not."""

    function: str
    text: str
    expected: bool
    why: str


def lines(function: str) -> list[Line]:
    out, expected = [], True
    for line in (HERE / f"{function}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            expected = line == "== yes"
        elif line:
            text, _, why = line.removeprefix("! ").partition(" | ")
            out.append(Line(function, text, expected, why))
    return out


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_utterance_is_taken_for_what_it_is_or_its_mistake_is_explained(function: str) -> None:
    wrong = [
        f"{line.text!r} is taken for {'what it is now: the `!` can go' if line.why else f'{not line.expected}'}"
        for line in lines(function)
        if (FUNCTIONS[function](line.text) == line.expected) == bool(line.why)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("expected", [True, False])
def test_there_are_many_utterances_and_hardly_any_is_taken_wrongly(function: str, expected: bool) -> None:
    table = [line for line in lines(function) if line.expected == expected]
    assert len({line.text for line in table}) == len(table) >= ENOUGH
    assert sum(not line.why for line in table) >= BAR * len(table)
