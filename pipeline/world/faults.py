"""Controlled stochasticity: what a real service does now and then, drawn from the episode's seed.

A timeout and a lost acknowledgement look the same to the caller, which is the point: one had no effect, the other had.
The fault is recorded on the call; nobody is blamed for what they could not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import orjson

from pipeline.identity import Rng, derive_seed
from pipeline.types import FaultKind, PlannedFault

ERRORS: dict[FaultKind, str] = {
    "timeout": "The request timed out.",
    "lost_ack": "The request timed out.",
    "rate_limit": "Too many requests. Try again shortly.",
    "transient": "The service is temporarily unavailable (503).",
}
NO_EFFECT: frozenset[FaultKind] = frozenset({"timeout", "rate_limit", "transient"})


def draw_fault(seed: int, index: int, rates: Mapping[FaultKind, float]) -> FaultKind | None:
    """The fault that strikes call `index` of an episode, if one does. `rates`: chance per call, by kind."""
    if not rates:
        return None
    rng = Rng(derive_seed(seed, "fault", index))
    for kind in get_args(FaultKind):
        if rng.chance(rates.get(kind, 0.0)):
            return kind
    return None


class Faults:
    """The faults of one episode: those that are planned for it, and others at random.

    A planned fault strikes the first call of its tool that can show it (a page of one row is not cut short).
    """

    def __init__(
        self, seed: int, planned: Sequence[PlannedFault] = (), rates: Mapping[FaultKind, float] | None = None
    ) -> None:
        self._seed, self._planned, self._rates = seed, list(planned), rates or {}

    def due(self, index: int, tool: str) -> FaultKind | None:
        """The fault that call `index` of the episode is to meet, if any."""
        planned = next((fault.kind for fault in self._planned if fault.tool == tool), None)
        return planned or draw_fault(self._seed, index, self._rates)

    def struck(self, tool: str, kind: FaultKind | None) -> None:
        """Strike a planned fault off the list: it happened."""
        for fault in self._planned:
            if (fault.tool, fault.kind) == (tool, kind):
                self._planned.remove(fault)
                return


def truncate(result: str) -> str | None:
    """A page cut short, saying so; None when the result is no list, or one of fewer than two items."""
    value: Any = orjson.loads(result)
    if not isinstance(value, list) or len(value) < 2:
        return None
    page = [*value[: len(value) // 2], {"truncated": "The connection ended early; more rows exist."}]
    return orjson.dumps(page).decode()
