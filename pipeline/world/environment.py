"""The environment of an episode: tools are called, state changes, everything is recorded.

`Environment` is the protocol that rollouts know; `SqlEnvironment` is its first implementation. A call is one SAVEPOINT:
arguments validated, guards in order, effects, result. The first guard that does not hold is the tool's error and all
rolls back; RAISE(ABORT) in a trigger is a refusal too; any other failure of a constraint is a defect of the domain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import orjson

from engine.types import ToolSchema, canonical_json
from pipeline.domain import Tool
from pipeline.errors import DomainDefect
from pipeline.types import Change, FaultKind
from pipeline.world import faults
from pipeline.world.access import MAX_ARGUMENT, MAX_RESULT, MAX_ROWS, describe
from pipeline.world.change import EMPTY_HASH, change_hash
from pipeline.world.session import Session
from pipeline.world.world import World

TICK = 41  # seconds that pass with every call


class Outcome(NamedTuple):
    """What came of a call: exactly one of `result` (JSON text) and `error` is set."""

    result: str | None
    error: str | None
    wrote: bool
    state_hash: str
    fault: FaultKind | None = None
    malformed: bool = False  # no tool could take it: unknown name, or arguments against the schema

    @property
    def ok(self) -> bool:
        return self.error is None


class Environment(Protocol):
    """A place where tools can be called. Calls and reads are synchronous and short; nothing here sees a model."""

    def tools(self, actor: str = "agent") -> Sequence[ToolSchema]: ...

    def call(
        self, name: str, arguments: Mapping[str, Any], *, actor: str = "agent", fault: FaultKind | None = None
    ) -> Outcome: ...

    def change(self) -> Change: ...

    def state_hash(self) -> str: ...

    def snapshot(self) -> Any: ...

    def restore(self, snapshot: Any) -> None: ...

    def close(self) -> None: ...


class SqlEnvironment:
    """A world's image, opened for one episode.

    `shift` moves the clock by that many days' worth of seconds and the ids by that many numbers: a domain whose
    outcome changes with it (beyond ids and `clock` columns) is refused by the check.
    """

    def __init__(self, world: World, *, shift: int = 0) -> None:
        self._world, self._domain = world, world.compiled
        self._calls = shift
        self._hash = EMPTY_HASH
        self._use(world.episodes.lend(), {table: n + shift for table, n in world.next_ids.items()})

    def _use(self, session: Session, next_ids: dict[str, int]) -> None:
        self._session = session
        session.next_ids, session.formats = next_ids, self._domain.domain.ids

    def tools(self, actor: str = "agent") -> list[ToolSchema]:
        """The tools of an actor as a model sees them."""
        return list(self._domain.schemas.get(actor, ()))

    def call(
        self, name: str, arguments: Mapping[str, Any], *, actor: str = "agent", fault: FaultKind | None = None
    ) -> Outcome:
        """Execute a call. Raises DomainDefect when the domain, not the caller, is at fault."""
        self._calls += 1
        tool = self._domain.tools.get(name)
        if tool is None or tool.spec.actor != actor:
            return self._refused(f"There is no tool named {name}.")._replace(malformed=True)
        problem = next(iter(tool.validator.iter_errors(arguments)), None)
        if problem is not None:
            path = ".".join(str(part) for part in problem.instance_path)
            text = f"Invalid arguments: {problem.message[:300]}" + (f" (at {path})" if path else "")
            return self._refused(text)._replace(malformed=True)
        bound = self._bind(tool.spec, arguments)
        if (unfit := _unfit(bound)) is not None:
            return self._refused(f"Invalid arguments: {unfit}")._replace(malformed=True)
        if fault in faults.NO_EFFECT:
            return self._refused(faults.ERRORS[fault])._replace(fault=fault)
        outcome = self._execute(tool.spec, bound)
        if outcome.error is not None:
            return outcome
        if fault == "lost_ack":
            return outcome._replace(result=None, error=faults.ERRORS[fault], fault=fault)
        if fault == "truncated" and (page := faults.truncate(outcome.result or "null")) is not None:
            return outcome._replace(result=page, fault=fault)
        return outcome

    def _refused(self, error: str) -> Outcome:
        return Outcome(None, error, False, self._hash)

    def _bind(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        now = datetime.fromisoformat(self._world.start) + timedelta(seconds=TICK * self._calls)
        bound: dict[str, Any] = {"now": now.strftime("%Y-%m-%d %H:%M:%S"), "today": self._world.today}
        for name, spec in tool.parameters.items():
            value = arguments.get(name, spec.get("default"))
            if isinstance(value, bool):
                value = int(value)
            elif isinstance(value, float) and spec.get("type") == "integer":
                value = int(value)  # JSON Schema takes 3.0 for an integer
            elif isinstance(value, (list, dict)):
                value = canonical_json(value)
            bound[name] = value
        return bound

    def _execute(self, tool: Tool, bound: dict[str, Any]) -> Outcome:
        session = self._session
        ids, changes = dict(session.next_ids), session.connection.total_changes
        session.last_ids.clear()
        try:
            with session.call():
                for guard in tool.requires:
                    row = session.run(guard.sql, bound).fetchone()
                    if row is None or row[0] in (None, 0):
                        raise _Refusal(guard.otherwise)
                for effect in tool.effects:
                    session.run(effect, bound)
                result = self._result(tool, bound)
        except (_Refusal, sqlite3.Error) as error:
            session.next_ids = ids
            if isinstance(error, sqlite3.IntegrityError) and not session.sound:
                text = "RAISE(ROLLBACK) and OR ROLLBACK undo the whole episode: use ABORT"
                raise DomainDefect(f"{tool.name}({canonical_json(bound)}): {text}") from None
            if isinstance(error, _Refusal) or getattr(error, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_TRIGGER":
                return self._refused(str(error))
            what = describe(error, session.access)
            raise DomainDefect(f"{tool.name}({canonical_json(bound)}): {what}") from None
        wrote = session.connection.total_changes != changes
        if wrote:
            self._hash = change_hash(self.change())
        return Outcome(result, None, wrote, self._hash)

    def _result(self, tool: Tool, bound: dict[str, Any]) -> str:
        cursor = self._session.run(tool.returns.sql, bound)
        columns = [column[0] for column in cursor.description]
        if not tool.returns.many:
            row = cursor.fetchone()
            if row is None:
                raise DomainDefect(f"{tool.name}({canonical_json(bound)}): the call succeeded and returned no row")
            text = _row_json(tool, columns, row)
            if len(text) > MAX_RESULT:
                raise DomainDefect(f"{tool.name}: one result of {len(text):,} characters")
            return text
        rows: list[str] = []
        size = 0
        for row in cursor:
            item = _row_json(tool, columns, row)
            size += len(item) + 1
            if len(rows) == MAX_ROWS or size > MAX_RESULT:
                rows.append(_json({"truncated": f"Only the first {len(rows)} rows are shown."}))
                break
            rows.append(item)
        return "[" + ",".join(rows) + "]"

    def change(self) -> Change:
        """Net change since the start."""
        return self._domain.changes.read(self._session)

    def state_hash(self) -> str:
        """Hash of the change since the start."""
        return self._hash

    def snapshot(self) -> tuple[bytes, dict[str, int], int, str]:
        """Everything that `restore` needs to come back to this moment."""
        session = self._session
        session.lent_again = False  # what is committed cannot be undone
        session.own("COMMIT")
        image = session.connection.serialize()
        session.own("BEGIN")
        return image, dict(session.next_ids), self._calls, self._hash

    def restore(self, snapshot: tuple[bytes, dict[str, int], int, str]) -> None:
        """Come back to the moment of a snapshot of this world."""
        image, next_ids, self._calls, self._hash = snapshot
        self.close()
        session = Session(image, self._domain.access())
        session.lent_again = False  # it begins where the snapshot was taken
        self._use(session, dict(next_ids))

    def close(self) -> None:
        """Give the database back; the environment is of no use afterwards."""
        self._world.episodes.give_back(self._session)


class _Refusal(Exception):
    """A guard that did not hold."""


def _unfit(bound: Mapping[str, Any]) -> str | None:
    """Why SQLite cannot take one of these values, which no schema needs to exclude; None when it can."""
    for name, value in bound.items():
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return f"the number is out of range (at {name})"
        if isinstance(value, str):
            try:
                size = len(value.encode())
            except UnicodeEncodeError:
                return f"not Unicode text (at {name})"
            if size > MAX_ARGUMENT:
                return f"the text is longer than {MAX_ARGUMENT:,} bytes (at {name})"
    return None


def _row_json(tool: Tool, columns: Sequence[str], row: Sequence[Any]) -> str:
    """One result row as JSON text. Raises DomainDefect for a row that cannot be written so."""
    try:
        return _json(_decode(columns, row))
    except (ValueError, TypeError) as error:
        raise DomainDefect(f"{tool.name}: a result cannot be written as JSON: {error}") from None


def _json(value: Any) -> str:
    """JSON text with keys in the order of the tool's columns, as its author put them."""
    return orjson.dumps(value).decode()


def _decode(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """A result row as an object; `x__json` and `x__bool` are decoded and called `x`."""
    out: dict[str, Any] = {}
    for name, value in zip(columns, row, strict=True):
        if name.endswith("__json"):
            out[name[:-6]] = None if value is None else orjson.loads(value)
        elif name.endswith("__bool"):
            out[name[:-6]] = None if value is None else bool(value)
        else:
            out[name] = value
    return out
