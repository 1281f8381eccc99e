"""Controlled stochasticity: what a real service does now and then, drawn from the episode's seed.

A timeout and a lost acknowledgement look the same to the caller, which is the point: one had no effect, the other had.
The fault is recorded on the call; nobody is blamed for what they could not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson

from pipeline.identity import Rng, derive_seed
from pipeline.types import FaultKind

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


def truncate(result: str) -> str | None:
    """A page cut short, saying so; None when the result is no list, or one of fewer than two items."""
    value: Any = orjson.loads(result)
    if not isinstance(value, list) or len(value) < 2:
        return None
    page = [*value[: len(value) // 2], {"truncated": "The connection ended early; more rows exist."}]
    return orjson.dumps(page).decode()
