"""What the tests of shipped domains share: a domain by name, questions to a world, and the rules that calls break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from pipeline.types import Call, Change
from pipeline.world import CompiledDomain, FinalState, SqlEnvironment, World, compile_domain, find_domain, load_source

SEEDS = (0, 7)
Row = dict[str, Any]


def compiled(name: str) -> CompiledDomain:
    """A shipped domain, ready to run."""
    return compile_domain(load_source(find_domain(name)))


def rows(world: World, sql: str, **bindings: Any) -> list[Row]:
    """The rows of a query over a world as it is before anything happens."""
    with FinalState(world, Change()) as state:
        return state.rows(sql, bindings, 20_000)


def called(world: World, calls: Sequence[tuple[str, Row]], *, confirmed: bool = True) -> tuple[set[str], list[Any]]:
    """The agent's rules that these calls break, and their results; `confirmed`: the user said yes before them."""
    environment = SqlEnvironment(world)
    made = []
    for n, (name, arguments) in enumerate(calls):
        outcome = environment.call(name, arguments)
        assert outcome.ok, (name, arguments, outcome.error)
        made.append(
            Call(
                index=n,
                turn=2,
                actor="agent",
                call_id=f"functions.{name}:{n}",
                name=name,
                arguments=orjson.dumps(arguments).decode(),
                ok=True,
                result=outcome.result,
                error=None,
                wrote=outcome.wrote,
            )
        )
    with FinalState(world, environment.change(), made, [(0, "Please.", False), (1, "Yes.", confirmed)]) as state:
        assert not state.broken_invariants()
        broken = {n for n, rule in world.compiled.domain.rules.items() if rule.violated and state.check(rule.violated)}
    environment.close()
    return broken, [orjson.loads(call.result or "null") for call in made]


def broken(world: World, calls: Sequence[tuple[str, Row]], *, confirmed: bool = True) -> set[str]:
    """The agent's rules that these calls break."""
    return called(world, calls, confirmed=confirmed)[0]
