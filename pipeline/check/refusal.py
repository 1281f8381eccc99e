"""A refusal, as the person reads it who must mend the domain."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import BadInput

_PLACED = re.compile(r"(?P<where>[^\s:]+:\d+): (?P<what>.+)")


@dataclass(frozen=True)
class Refusal:
    """One thing that a rung found. `where`: `domain/file:line`."""

    where: str
    rung: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.rung}: {self.what}" + (f"\n    {self.remedy}" if self.remedy else "")


def refusals_of(error: BadInput, rung: str, *, where: str = "", remedy: str = "") -> list[Refusal]:
    """The refusals that one error of the engine stands for: a validation error has a line of its own for each."""
    place, remedy = error.where or where, error.remedy or remedy
    placed = [_PLACED.fullmatch(line) for line in error.what.splitlines()]
    if placed and not error.where and all(placed):
        return [Refusal(p["where"], rung, p["what"], remedy) for p in placed if p is not None]
    return [Refusal(place, rung, error.what, remedy)]
