"""The state verdict: did the world end as one of the right plans would have left it?

By program, over net changes (architecture, section 5). A trajectory passes if any expected outcome passes: its change
equals the actual one up to new ids and compare modes, nothing else changed but what is allowed, invariants and checks
hold, and what had to be told was told. On failure the differences of the nearest outcome are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.judging.matching import MAX_NODES, RowMap, Told, match_change
from pipeline.types import Answer, Cell, Change, Difference, Expected, StateVerdict, TableShape

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
) -> StateVerdict:
    """Passed if any expected outcome passes.

    `wrote`: a writing call succeeded (also one whose effect was undone later). `told(answer, value)`: the answer was
    communicated, its value being this one. Errors of the reader pass through: they are the domain's, not the agent's.
    """
    names = reader.broken_invariants()
    broken = [Difference(kind="invariant", detail=f"the invariant does not hold: {name}") for name in names]
    nearest: StateVerdict | None = None
    for outcome in expected:
        rows, differences = match_change(outcome, actual, shapes, allow, told=told, max_nodes=max_nodes)
        found = [*broken, *differences]
        if outcome.change.empty and wrote:
            found.append(Difference(kind="wrote", detail="a writing call succeeded where nothing was to be changed"))
        for answer in outcome.answers:
            here = with_new_id(answer, rows or {})
            if not told(answer, here.value):
                detail = f"{answer.label} was not told"
                found.append(Difference(kind="answer", expected=here.value, detail=detail))
        for sql, bindings in outcome.checks:
            if not reader.check(sql, bindings):
                found.append(Difference(kind="check", detail=f"does not hold: {sql}"))
        verdict = StateVerdict(passed=not found, plan=outcome.plan, differences=tuple(found))
        if verdict.passed:
            return verdict
        if nearest is None or len(found) < len(nearest.differences):
            nearest = verdict
    assert nearest is not None, "a task has at least one expected outcome"
    return nearest
