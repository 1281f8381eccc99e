"""The state verdict: did the world end as one of the right plans would have left it?

By program, over net changes (architecture, section 5). A trajectory passes if any expected outcome passes: its change
equals the actual one up to new ids and compare modes, nothing else changed but what is allowed, invariants and checks
hold, and what had to be told was told. On failure the differences of the nearest outcome are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from pipeline.judging.matching import MAX_NODES, RowMap, Told, match_change
from pipeline.types import Answer, Cell, Change, Expected, TableShape
from pipeline.verdicts import Difference, StateVerdict

__all__ = ["RowMap", "StateReader", "Told", "match_change", "state_verdict", "with_new_id"]


class StateReader(Protocol):
    """Reads the final state, with `call_log` and `user_turns` beside the tables. Provided by `pipeline.world`."""

    def check(self, sql: str, bindings: Mapping[str, Cell]) -> bool:
        """Whether the first cell of the first row is neither NULL nor 0. No row: False. Surplus bindings are fine."""
        ...

    def broken_invariants(self) -> list[str]:
        """Names of the domain's invariants that do not hold."""
        ...


def with_new_id(answer: Answer, rows: RowMap) -> Answer:
    """The answer with the id that this run gave to the row, where its value is the id of a new row."""
    key = rows.get((answer.new_in, (answer.value,))) if answer.new_in else None
    return answer.model_copy(update={"value": key[0]}) if key else answer


def state_verdict(
    expected: Sequence[Expected],
    actual: Change,
    shapes: Mapping[str, TableShape],
    allow: Sequence[str],
    *,
    wrote: bool,
    reader: StateReader,
    told: Told,
    max_nodes: int = MAX_NODES,
    brief: bool = False,
) -> StateVerdict:
    """Passed if any expected outcome passes.

    `wrote`: a writing call succeeded (also one whose effect was undone later). `told(answer, value)`: the answer was
    communicated, its value being this one. `brief`: on failure, one difference will do; the final state is then read
    only where the change is a right one. Errors of the reader pass through: they are the domain's, not the agent's.
    """
    broken = None if brief else _broken(reader)
    nearest: StateVerdict | None = None
    for outcome in expected:
        wrong = _wrong(outcome, actual, shapes, allow, wrote, reader, told, max_nodes)
        found = (*broken, *wrong) if broken is not None else tuple(islice(wrong, 1)) or _broken(reader)
        verdict = StateVerdict(passed=not found, plan=outcome.plan, differences=found)
        if verdict.passed:
            return verdict
        if nearest is None or len(found) < len(nearest.differences):
            nearest = verdict
    assert nearest is not None, "a task has at least one expected outcome"
    return nearest


def _broken(reader: StateReader) -> tuple[Difference, ...]:
    names = reader.broken_invariants()
    return tuple(Difference(kind="invariant", detail=f"the invariant does not hold: {name}") for name in names)


def _wrong(
    outcome: Expected,
    actual: Change,
    shapes: Mapping[str, TableShape],
    allow: Sequence[str],
    wrote: bool,
    reader: StateReader,
    told: Told,
    max_nodes: int,
) -> Iterator[Difference]:
    """In which ways what happened is not this outcome; what is cheap to find out comes first."""
    rows, differences = match_change(outcome, actual, shapes, allow, told=told, max_nodes=max_nodes)
    yield from differences
    if outcome.change.empty and wrote:
        yield Difference(kind="wrote", detail="a writing call succeeded where nothing was to be changed")
    for answer in outcome.answers:
        here = with_new_id(answer, rows or {})
        if not told(answer, here.value):
            yield Difference(kind="answer", expected=here.value, detail=f"{answer.label} was not told")
    for sql, bindings in outcome.checks:
        if not reader.check(sql, bindings):
            yield Difference(kind="check", detail=f"does not hold: {sql}")
