"""Drawing what a task is about: one row of the world after another, until every `$name` has a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.domain import Draw, Intent
from pipeline.errors import DomainDefect
from pipeline.identity import Rng
from pipeline.types import Cell, Change
from pipeline.world import FinalState, World
from pipeline.world.generators import Context, generator

MOST_ROWS = 20_000


class Drop(Exception):
    """No task came of this draw; `reason` is a word for the funnel, the text says more."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


@dataclass(frozen=True)
class Drawn:
    """One intent with its values.

    `choices`: names drawn as a declared choice, each with its right values; `accepted`: those with several.
    """

    intent: Intent
    values: dict[str, Cell]
    choices: dict[str, tuple[Cell, ...]] = field(default_factory=dict)
    accepted: dict[str, tuple[Cell, ...]] = field(default_factory=dict)

    def told(self) -> dict[str, Cell]:
        """The values that the user may tell."""
        return {name: self.values[name] for name, how in self.intent.facts.items() if how != "never"}


class Drawer:
    """Draws intents over one world. It reads the world's start and keeps the rows of queries that repeat."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.start = FinalState(world, Change())
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def draw(self, intent: Intent, rng: Rng, given: Mapping[str, Cell]) -> Drawn:
        """Values for every name of an intent. `given`: names that are decided (the person who speaks).

        Raises Drop when the world holds no fitting row, or a choice is tied; DomainDefect when a fact is not drawn.
        """
        values: dict[str, Cell] = {}
        choices: dict[str, tuple[Cell, ...]] = {}
        accepted: dict[str, tuple[Cell, ...]] = {}
        for name, draw in intent.draw.items():
            row = self._take(intent, name, draw, rng, values, given)
            if draw.first:
                choices |= {column: (value,) for column, value in row.items()}
            if draw.accept is not None:
                first = next(iter(row))
                found = self.start.rows(draw.accept, values, 24)
                others = tuple(dict.fromkeys(next(iter(r.values())) for r in found))
                if row[first] not in others:
                    raise Drop("choice", f"{intent.name}: accept: does not hold the drawn {first}")
                accepted[first] = choices[first] = others
        if missing := [name for name in intent.facts if name not in values]:
            raise DomainDefect(f"{intent.name}: {missing[0]} is told by the user, but not drawn")
        return Drawn(intent, values, choices, accepted)

    def more(self, drawn: Drawn, draws: Mapping[str, Draw], rng: Rng) -> dict[str, Cell]:
        """The values of a drawn intent with those of further draws. Raises as `draw` does."""
        values = dict(drawn.values)
        for name, draw in draws.items():
            self._take(drawn.intent, name, draw, rng, values, {})
        return values

    def _take(
        self, intent: Intent, name: str, draw: Draw, rng: Rng, values: dict[str, Cell], given: Mapping[str, Cell]
    ) -> dict[str, Cell]:
        """The row of one draw, added to the values."""
        row = self._row(intent, name, draw, rng, {**values, **self._helpers(intent, draw, rng)}, given)
        for column, value in row.items():
            if column in values and values[column] != value:
                raise Drop("name_clash", f"{intent.name}: {column} is drawn twice with different values")
            values[column] = value
        return row

    def _helpers(self, intent: Intent, draw: Draw, rng: Rng) -> dict[str, Any]:
        if not draw.given:
            return {}
        context = Context(rng, None, self.world.today, self.world.seed)  # no table to refer to
        compiled = self.world.compiled
        for name, spec in draw.given.items():
            context.row[name] = generator(compiled, intent.name, name, spec)(context)
        return {name: context.row[name] for name in draw.given}

    def _row(
        self, intent: Intent, name: str, draw: Draw, rng: Rng, bound: dict[str, Any], given: Mapping[str, Cell]
    ) -> dict[str, Cell]:
        if draw.first:
            rows = self.start.rows(draw.sql, bound, 2)
            if len(rows) == 2 and draw.unique and rows[0][draw.unique] == rows[1][draw.unique]:
                raise Drop("tie", f"{intent.name}: {name} is tied in {draw.unique}")
            rows = rows[:1]
        else:
            rows = self._sorted(draw.sql, bound)
        fitting = [row for row in rows if all(row[k] == v for k, v in given.items() if k in row)]
        if not fitting:
            raise Drop("no_row", f"{intent.name}: no row for {name}")
        return rng.choice(fitting)

    def _sorted(self, sql: str, bound: dict[str, Any]) -> list[dict[str, Any]]:
        """All rows of a query, ordered by content: a query need not be ordered for the draw to be the same."""
        key = sql if not bound else ""
        if key and key in self._rows:
            return self._rows[key]
        rows = sorted(self.start.rows(sql, bound, MOST_ROWS), key=lambda r: [str(v) for v in r.values()])
        if key:
            self._rows[key] = rows
        return rows
