"""Mistakes on purpose: which one an episode gets, and how an argument is spoiled.

Rejected rows teach a critic and test a verifier, so a mistake must be plausible: the wrong day, the neighbour in the
list, the other option. Which verdict each must meet is a table in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.domain import Tool
from pipeline.identity import Rng
from pipeline.types import Goal, Mistake
from pipeline.world.functions import add_days

PLANTED: tuple[Mistake, ...] = ("wrong_argument", "missing_write", "extra_write", "premature_done")


class Slip(NamedTuple):
    """One planned mistake: of which kind, in which goal, at which of its writes (modulo their number)."""

    kind: Mistake
    goal: int
    point: int


def plan_slip(goals: Sequence[Goal], rate: float, rng: Rng) -> Slip | None:
    """The mistake of an episode, with chance `rate`; None too where no planted mistake fits its goals."""
    if not rng.chance(rate):
        return None
    fitting = [(kind, n) for n, goal in enumerate(goals) for kind in PLANTED if fits(kind, goal)]
    if not fitting:
        return None
    kind = rng.choice(sorted({kind for kind, _ in fitting}))
    return Slip(kind, rng.choice([n for k, n in fitting if k == kind]), rng.below(64))


def fits(kind: Mistake, goal: Goal) -> bool:
    """Whether this mistake can be made on the way to this goal."""
    if any(step.writes for step in goal.plans[0].steps):
        return True
    return kind == "premature_done" and goal.kind == "question"


def spoiled(tool: Tool, arguments: Mapping[str, Any], results: Mapping[str, Any], rng: Rng) -> list[dict[str, Any]]:
    """The arguments with one of them plausibly wrong: every way that is known, in random order."""
    ways = []
    for name, value in arguments.items():
        for other in _others(tool.parameters[name], value, results):
            ways.append({**arguments, name: other})
    return rng.shuffled(ways)


def _others(schema: Mapping[str, Any], value: Any, results: Mapping[str, Any]) -> Iterator[Any]:
    """Other values that fit the parameter: another option, the next day, one more, a neighbour that was seen."""
    if "enum" in schema:
        yield from (option for option in schema["enum"] if option != value)
    elif schema.get("format") == "date" and isinstance(value, str):
        yield from (day for day in (add_days(value, 1), add_days(value, -1)) if day)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (n for n in (value + 1, value - 1) if schema.get("minimum", 0) <= n <= schema.get("maximum", n))
    elif isinstance(value, str):
        for column, cells in _columns(results).items():
            if value in cells:
                yield from (cell for cell in cells if cell != value and isinstance(cell, str) and column != "")


def _columns(results: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values seen in lists, by column: where a neighbour is taken from."""
    columns: dict[str, list[Any]] = {}
    for result in results.values():
        for row in result if isinstance(result, list) else ():
            for column, cell in row.items() if isinstance(row, dict) else ():
                cells = columns.setdefault(column, [])
                if isinstance(cell, (str, int)) and cell not in cells:
                    cells.append(cell)
    return columns
