"""An open database of a world, lent to one episode or verdict at a time.

Opening an image means parsing its schema, which costs milliseconds once there are triggers; undoing a transaction
costs microseconds and keeps prepared statements. So a database is opened once, each use is one transaction, and giving
it back rolls everything back. One in which anything went wrong is closed instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakMethod

from pipeline.world.access import Access, connect, guard

KEPT = 24  # idle databases of one image


class Session:
    """A database under the domain's access rules. Domain SQL goes through `run`, the engine's own through `own`."""

    def __init__(self, image: bytes, access: Access, *, foreign_keys: bool = True, reverse: bool = False) -> None:
        self.connection, self.access = connect(image, reverse=reverse), access
        if not foreign_keys:
            self.connection.execute("PRAGMA foreign_keys = OFF")
        self.next_ids: dict[str, int] = {}
        self.last_ids: dict[str, str] = {}
        self.formats: Mapping[str, str] = {}
        # Only weakly: the garbage collector does not see what SQLite holds, so a cycle through it is never freed.
        new_id = WeakMethod(self._new_id)
        self.connection.create_function("new_id", 1, lambda table: new_id()(table))  # type: ignore[misc]
        self.connection.create_function("last_id", 1, self.last_ids.get)
        self._budget = guard(self.connection, access)
        self.sound = True  # the transaction of its use is still open
        self.lent_again = True  # giving it back can undo all that was done
        self.own("BEGIN")

    def _new_id(self, table: str) -> str:
        n = self.next_ids[table]
        self.next_ids[table] = n + 1
        self.last_ids[table] = text = self.formats[table].format(n=n)
        return text

    def run(self, sql: str, bindings: Mapping[str, Any]) -> sqlite3.Cursor:
        """Execute a statement of the domain, within its budget of work."""
        self._budget.reset()
        self.access.denied = ""
        return self.connection.execute(sql, bindings)

    def own(self, sql: str, bindings: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute a statement of the engine's own. It is prepared outside the domain's rules."""
        self._budget.reset()
        self.access.trusted = True
        try:
            return self.connection.execute(sql, bindings)
        finally:
            self.access.trusted = False

    def undo(self) -> None:
        """Go back to the start of the world, ready for the next use."""
        self.own("ROLLBACK")
        self.own("BEGIN")

    @contextmanager
    def call(self) -> Iterator[None]:
        """What happens inside happens whole or not at all."""
        self.own("SAVEPOINT _call")
        try:
            yield
        except BaseException:
            # a statement that was stopped while writing has taken the whole transaction with it
            self.sound = self.sound and self.connection.in_transaction
            if self.sound:
                self.own("ROLLBACK TO _call")
                self.own("RELEASE _call")
            raise
        self.own("RELEASE _call")


class Pool:
    """The idle databases of one image."""

    def __init__(self, image: bytes, relations: frozenset[str], *, writes: bool, reverse: bool) -> None:
        self._image, self._relations, self._writes, self._reverse = image, relations, writes, reverse
        self._idle: list[Session] = []

    def lend(self) -> Session:
        """A database at the start of the world."""
        try:
            return self._idle.pop()
        except IndexError:
            access = Access(self._relations, writes=self._writes)
            return Session(self._image, access, foreign_keys=self._writes, reverse=self._reverse)

    def give_back(self, session: Session) -> None:
        """Undo what was done, and keep the database for the next who asks."""
        try:
            if session.sound and session.lent_again and len(self._idle) < KEPT:
                session.undo()
                self._idle.append(session)
                return
        except sqlite3.Error:
            pass  # it cannot be undone: the next gets a new one
        session.connection.close()
