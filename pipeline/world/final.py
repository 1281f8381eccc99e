"""The state at an episode's end, open to a judge's questions: the domain's tables, the calls and the user's turns.

Rebuilt from a stored trajectory (the world's image and the net change), so that judging can be repeated at any time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import DomainDefect
from pipeline.types import Call, Change
from pipeline.world.access import describe
from pipeline.world.change import apply_change
from pipeline.world.world import World


class FinalState:
    """Answers SQL of a domain (invariants, checks, `violated`, patterns) over the end of one episode."""

    def __init__(
        self, world: World, change: Change, calls: Iterable[Call] = (), user_turns: Iterable[tuple[int, str, bool]] = ()
    ) -> None:
        """`user_turns`: (turn, text, whether it confirms a proposal)."""
        self._world = world
        self._changed = {row.table for part in (change.inserts, change.updates, change.deletes) for row in part}
        self._session = world.verdicts.lend()
        apply_change(self._session, world.compiled.shapes, change)
        for c in calls:
            row = (c.index, c.turn, c.actor, c.name, c.arguments, c.ok, c.result, c.error, c.wrote)
            self._session.own("INSERT INTO call_log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        for turn in user_turns:
            self._session.own("INSERT INTO user_turns VALUES (?, ?, ?)", turn)

    def _run(self, sql: str, bindings: Mapping[str, Any] | None) -> sqlite3.Cursor:
        bound = {"today": self._world.today, "now": self._world.start, **(bindings or {})}
        return self._session.run(sql, bound)

    def first_row(self, sql: str, bindings: Mapping[str, Any] | None = None) -> tuple[Any, ...] | None:
        """The first row of a query, or None. Raises DomainDefect when it cannot run."""
        try:
            row: tuple[Any, ...] | None = self._run(sql, bindings).fetchone()
        except sqlite3.Error as error:
            raise DomainDefect(f"{sql}: {describe(error, self._session.access)}") from None
        return row

    def rows(self, sql: str, bindings: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
        """Up to `most` rows of a query as mappings. Raises DomainDefect when it cannot run."""
        try:
            cursor = self._run(sql, bindings)
            found = cursor.fetchmany(most)
        except sqlite3.Error as error:
            raise DomainDefect(f"{sql}: {describe(error, self._session.access)}") from None
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def check(self, sql: str, bindings: Mapping[str, Any] | None = None) -> bool:
        """Whether the first cell is neither NULL nor 0 (no row: it is not)."""
        row = self.first_row(sql, bindings)
        return row is not None and row[0] not in (None, 0)

    def broken_invariants(self) -> list[str]:
        """The names of the domain's invariants that return a row.

        They held when the world was made, so only those can be broken that read a table which changed.
        """
        compiled = self._world.compiled
        return [
            invariant.name
            for invariant in compiled.domain.invariants
            if self._changed & compiled.invariants[invariant.name] and self.first_row(invariant.sql) is not None
        ]

    def close(self) -> None:
        self._world.verdicts.give_back(self._session)

    def __enter__(self) -> FinalState:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
