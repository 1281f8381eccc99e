"""A domain's empty tables, on which its statements are prepared before any world exists.

`compile_domain` vets what episodes execute; this is for the rest of a domain's SQL (draws, checks, rules, patterns),
of which the check ladder must know that it prepares, with which parameters, and what its columns are called.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from pipeline.errors import DomainDefect
from pipeline.world.access import Access, describe, guard, vet
from pipeline.world.change import quoted
from pipeline.world.compile import CompiledDomain, apply_schema
from pipeline.world.populate import LOG_SCHEMA
from pipeline.world.world import LOG_TABLES


class Prepared(NamedTuple):
    """What is known of a statement once it is prepared."""

    parameters: frozenset[str]
    columns: tuple[str, ...]  # of a query; none of another statement
    reads: frozenset[str]


class Workbench:
    """The schema of one domain with no rows in it, and the tables of the log beside it."""

    def __init__(self, compiled: CompiledDomain) -> None:
        self._relations, self.tables = compiled.relations, tuple(compiled.shapes)
        self._connection = apply_schema(compiled.source)
        self._connection.executescript(LOG_SCHEMA)

    def prepare(self, sql: str, *, logs: bool = False, writes: bool = False) -> Prepared:
        """Prepare a statement under the authorizer. A query is also run over the empty tables, for its columns.

        `logs`: it may read `call_log` and `user_turns`. Raises DomainDefect when it does not prepare, or runs away.
        """
        access = Access(self._relations | LOG_TABLES if logs else self._relations, writes=writes)
        budget = guard(self._connection, access)
        try:
            names = vet(self._connection, access, sql)
            columns: tuple[str, ...] = ()
            if not writes:
                budget.reset()
                cursor = self._connection.execute(sql, dict.fromkeys(names))
                columns = tuple(column[0] for column in cursor.description or ())
                cursor.close()
        except sqlite3.Error as error:
            raise DomainDefect(describe(error, access)) from None
        finally:
            self._connection.set_authorizer(None)
        return Prepared(frozenset(names), columns, frozenset(access.read))

    def types(self) -> dict[str, dict[str, str]]:
        """The type of each column (TEXT or INTEGER), by table."""
        types = {}
        for table in self.tables:
            rows = self._connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
            types[table] = {row[1]: "TEXT" if row[2] == "TEXT" else "INTEGER" for row in rows}
        return types

    def close(self) -> None:
        self._connection.close()
