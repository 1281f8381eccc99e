"""What domain SQL may do, and how much of it.

The authorizer is an allow-list: what is not named here is denied, so a new release of SQLite opens nothing. It works
when a statement is prepared and reports function names, so CURRENT_TIMESTAMP, random(), ATTACH, PRAGMA and schema
changes never run. A progress handler bounds work, connection limits bound sizes. Python's stdlib binding is the only
way in: one statement at a time, no extensions.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from pipeline.errors import DomainDefect
from pipeline.world import functions

SQLITE_VERSION = sqlite3.sqlite_version
MAX_STEPS = 4_000_000  # virtual-machine steps of one statement: some tenths of a second
MAX_SECONDS = 2.0  # of processor time of one statement, for what is slow within a step: only hostile SQL gets there
MAX_TEXT = 250_000  # bytes of one cell or row
MAX_PAGES = 16_384  # pages of one database: 64 MB
MAX_ARGUMENT = 100_000  # bytes of one argument of a call
MAX_ROWS = 200  # rows of one result
MAX_RESULT = 65_536  # bytes of one result
_STRIDE = 500  # steps between two looks at the budget

_BUILTIN = frozenset(
    """abs avg ceil ceiling char coalesce count cume_dist dense_rank first_value floor format glob group_concat hex
    ifnull iif instr json json_array json_array_length json_each json_extract json_group_array json_group_object
    json_insert json_object json_patch json_quote json_remove json_replace json_set json_tree json_type json_valid
    lag last_value lead length like lower ltrim max min mod nth_value ntile nullif percent_rank power printf quote
    rank replace round row_number rtrim sign sqrt substr substring sum total trim trunc typeof unicode upper -> ->>
    """.split()
)
_OWN = frozenset(functions.FUNCTIONS) | {"new_id", "last_id"}
_PLAIN = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_SCHEMA = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_REINDEX,
    }
)
_READ_TABLES = frozenset({"json_each", "json_tree"})


class Access:
    """The authorizer of one connection. `used` collects what prepared statements read and write.

    `schema`: allow CREATE TABLE, INDEX, VIEW, TRIGGER (while schema.sql runs) and nothing that touches rows.
    `writes`: allow changing rows. `tables`: the tables and views that exist; others (sqlite_master) are denied.
    """

    def __init__(self, tables: frozenset[str], *, writes: bool = False, schema: bool = False) -> None:
        self.tables, self.writes, self.schema = tables, writes, schema
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.denied = ""
        self.trusted = False  # while a statement of the engine's own is prepared

    def __call__(self, action: int, first: str | None, second: str | None, _db: str | None, via: str | None) -> int:
        if self.trusted or action in _PLAIN:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            if first in self.tables or first in _READ_TABLES:
                self.read.add(first or "")
                return sqlite3.SQLITE_OK
            if self.schema or (first == "_touched" and (via or "").startswith("_capture_")):
                return sqlite3.SQLITE_OK
            if first == "":  # count(*) over a subquery reads no column of a nameless table
                return sqlite3.SQLITE_OK
            return self._deny(f"reading {first}")
        if action == sqlite3.SQLITE_FUNCTION:
            name = (second or "").lower()
            return sqlite3.SQLITE_OK if name in _BUILTIN or name in _OWN else self._deny(f"function {name}()")
        if action in _WRITES:
            if self.schema:
                return sqlite3.SQLITE_OK if (first or "").startswith("sqlite_") else self._deny(f"rows of {first}")
            if self.writes and first in self.tables:
                self.written.add(first or "")
                return sqlite3.SQLITE_OK
            if first == "_touched" and (via or "").startswith("_capture_"):
                return sqlite3.SQLITE_OK
            return self._deny(f"changing {first}")
        if self.schema and action in _SCHEMA:
            return sqlite3.SQLITE_OK
        return self._deny(_ACTIONS.get(action, f"action {action}"))

    def _deny(self, what: str) -> int:
        self.denied = what
        return sqlite3.SQLITE_DENY


_ACTIONS = {
    value: name.removeprefix("SQLITE_").replace("_", " ")
    for name, value in vars(sqlite3).items()
    if name.startswith(
        (
            "SQLITE_CREATE_",
            "SQLITE_DROP_",
            "SQLITE_ALTER_",
            "SQLITE_ANALYZE",
            "SQLITE_ATTACH",
            "SQLITE_DETACH",
            "SQLITE_PRAGMA",
            "SQLITE_REINDEX",
            "SQLITE_TRANSACTION",
            "SQLITE_SAVEPOINT",
        )
    )
}


class Budget:
    """Stops a statement that runs away; `reset` before each."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._whole = self._left = max(1, steps // _STRIDE)
        self._until = 0.0

    def reset(self) -> None:
        self._left = self._whole
        self._until = time.thread_time() + MAX_SECONDS

    def __call__(self) -> int:
        self._left -= 1
        return self._left < 0 or time.thread_time() > self._until


def connect(image: bytes | None = None, *, reverse: bool = False) -> sqlite3.Connection:
    """An in-memory database with foreign keys, our functions and the size limits; no authorizer yet.

    `json_each` is warmed up here: its first use reads sqlite_master, which the authorizer denies.
    `reverse`: rows that nobody ordered come in the other order, to show what leans on it.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=512)
    if image is not None:
        connection.deserialize(image)
    connection.executescript(
        f"PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA max_page_count = {MAX_PAGES};"
        "PRAGMA trusted_schema = ON; SELECT 1 FROM json_each('[]'); SELECT 1 FROM json_tree('[]');"
    )
    if reverse:
        connection.execute("PRAGMA reverse_unordered_selects = ON")
    functions.install(connection)
    for category, most in (
        (sqlite3.SQLITE_LIMIT_LENGTH, MAX_TEXT),
        (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 32),
        (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200),
        (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
    ):
        connection.setlimit(category, most)
    return connection


def guard(connection: sqlite3.Connection, access: Access) -> Budget:
    """Install the authorizer and the work budget on a connection."""
    budget = Budget()
    connection.set_authorizer(access)
    connection.set_progress_handler(budget, _STRIDE)
    return budget


_COMMENT = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_VERBS = frozenset({"SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"})


class _Names(dict[str, Any]):
    """Bindings that accept any name and remember which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __missing__(self, name: str) -> None:
        self.asked.add(name)


def vet(connection: sqlite3.Connection, access: Access, sql: str) -> set[str]:
    """Prepare (never run) one statement of a domain; the names of its parameters.

    Raises DomainDefect when SQLite or the authorizer refuses it.
    """
    verb = _COMMENT.sub(" ", sql).split(maxsplit=1)[:1]
    if not verb or verb[0].upper() not in _VERBS:  # VACUUM is prepared without a question to the authorizer
        raise DomainDefect(f"not allowed in a domain: {verb[0].upper() if verb else 'nothing'}")
    names = _Names()
    access.denied = ""
    try:
        connection.execute("EXPLAIN " + sql, names).close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise DomainDefect(f"not allowed in a domain: {access.denied}" if access.denied else str(error)) from None
    return names.asked


def describe(error: sqlite3.Error, access: Access) -> str:
    """What went wrong with a statement, for a person."""
    if "interrupted" in str(error):
        return f"a statement ran longer than {MAX_STEPS:,} steps"
    if access.denied and ("prohibited" in str(error) or "not authorized" in str(error)):
        return f"not allowed in a domain: {access.denied}"
    return str(error)


def first_cell(connection: sqlite3.Connection, sql: str, bindings: Mapping[str, Any]) -> Any:
    """The first cell of the first row, or None."""
    row = connection.execute(sql, bindings).fetchone()
    return row[0] if row else None
