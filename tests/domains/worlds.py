"""What the tests of shipped domains share: a domain by name, and questions to a world."""

from __future__ import annotations

from typing import Any

from pipeline.types import Change
from pipeline.world import CompiledDomain, FinalState, World, compile_domain, find_domain, load_source

SEEDS = (0, 7)
Row = dict[str, Any]


def compiled(name: str) -> CompiledDomain:
    """A shipped domain, ready to run."""
    return compile_domain(load_source(find_domain(name)))


def rows(world: World, sql: str, **bindings: Any) -> list[Row]:
    """The rows of a query over a world as it is before anything happens."""
    with FinalState(world, Change()) as state:
        return state.rows(sql, bindings, 20_000)
