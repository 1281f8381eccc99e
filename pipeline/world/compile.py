"""A domain made ready to run: schema applied, every statement prepared, argument validators built.

What a tool reads and writes is derived here by preparing its SQL under the authorizer, never declared. After this,
whatever SQL an episode executes has been vetted; the same authorizer stays on at run time.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema_rs

from engine.types import ToolSchema
from pipeline.domain import Domain, Tool
from pipeline.errors import BadInput, DomainDefect
from pipeline.types import TableShape
from pipeline.world.access import Access, connect, vet
from pipeline.world.change import ChangeReader, quoted, read_shapes
from pipeline.world.load import DomainSource

ID_FORMAT = re.compile(r"[^{}]*\{n(:0?[0-9]{1,2})?\}[^{}]*")
BOUND = {"now", "today"}


@dataclass(frozen=True)
class CompiledTool:
    """A tool with its validator and the tables that its SQL touches."""

    spec: Tool
    validator: Any
    reads: frozenset[str]
    writes: frozenset[str]


@dataclass(frozen=True)
class CompiledDomain:
    """Everything about a domain that worlds and episodes share."""

    domain: Domain
    source: DomainSource
    shapes: dict[str, TableShape]
    tools: dict[str, CompiledTool]
    changes: ChangeReader
    relations: frozenset[str]  # tables and views
    invariants: dict[str, frozenset[str]]  # the tables that each reads, by name

    @cached_property
    def schemas(self) -> dict[str, list[ToolSchema]]:
        """The tools as a model sees them, by actor."""
        made: dict[str, list[ToolSchema]] = {}
        for tool in self.domain.tools:
            schema = ToolSchema(name=tool.name, description=tool.description, parameters=tool.json_schema)
            made.setdefault(tool.actor, []).append(schema)
        return made

    def access(self, *, writes: bool = True) -> Access:
        return Access(self.relations, writes=writes)


def statements(script: str) -> Iterator[tuple[str, int]]:
    """The statements of an SQL script, each with the line on which it begins."""
    buffer, start = "", 1
    for number, line in enumerate(script.splitlines(keepends=True), 1):
        if not buffer.strip():
            buffer, start = "", number
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer, start
            buffer = ""
    if re.sub(r"--[^\n]*", "", buffer).strip():
        yield buffer, start


def apply_schema(source: DomainSource, *, reverse: bool = False) -> sqlite3.Connection:
    """A new database with the domain's schema; no authorizer is left on it. Raises BadInput with the line."""
    connection = connect(reverse=reverse)
    access = Access(frozenset(), schema=True)
    connection.set_authorizer(access)
    where = f"{source.lines['schema.sql'].file}"
    for statement, line in statements(source.domain.schema_sql):
        access.denied = ""
        if re.search(r"\bDEFERRABLE\b", statement, re.IGNORECASE):
            what = "deferred foreign keys are not used here: a call is checked when it is made"
            raise BadInput(what, where=f"{where}:{line}")
        try:
            connection.execute(statement)
        except (sqlite3.Error, sqlite3.Warning) as error:
            text = f"not allowed in a schema: {access.denied}" if access.denied else str(error)
            raise BadInput(text, where=f"{where}:{line}") from None
    connection.set_authorizer(None)
    return connection


def relations_of(connection: sqlite3.Connection) -> frozenset[str]:
    """The tables and views of a database, without SQLite's and the engine's own."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    return frozenset(name for (name,) in rows if not name.startswith(("sqlite_", "_")))


def compile_domain(source: DomainSource) -> CompiledDomain:
    """Prepare a domain. Raises BadInput naming file and line of the first statement that does not hold."""
    domain = source.domain
    connection = apply_schema(source)
    try:
        shapes = read_shapes(connection, domain)
    except ValueError as error:
        raise BadInput(str(error), where=source.lines["schema.sql"].file) from None
    for table, form in domain.ids.items():
        if table not in shapes or not ID_FORMAT.fullmatch(form):
            what = (
                f"ids: there is no table {table}"
                if table not in shapes
                else f"ids: {form!r} needs one {{n}} or {{n:04}}"
            )
            raise BadInput(what, where=source.at("domain.yaml", "ids", table))
    for path in domain.compare:
        table, _, column = path.partition(".")
        if table not in shapes or column not in shapes[table].columns:
            raise BadInput(f"compare: there is no column {path}", where=source.at("domain.yaml", "compare", path))
    for table in domain.population.tables:
        if table not in shapes:
            raise BadInput(f"there is no table {table}", where=source.at("population.yaml", "tables", table))
    _steps(source)
    relations = relations_of(connection)
    for table, column, default in _defaults(connection, shapes):
        # evaluated on insert without a question to the authorizer: the one way that a clock could come in
        where = source.lines["schema.sql"].file
        try:
            _vet(connection, Access(frozenset()), f"SELECT {default}", set(), where)
        except BadInput as error:
            raise BadInput(f"the default of {table}.{column}: {error.what}", where=where) from None
    for name, function in (("new_id", 1), ("last_id", 1)):
        connection.create_function(name, function, lambda _table: None)
    invariants = {}
    for i, invariant in enumerate(domain.invariants):
        access = Access(relations)
        _vet(connection, access, invariant.sql, BOUND, source.at("domain.yaml", "invariants", i, "sql"))
        invariants[invariant.name] = frozenset(access.read)
    tools = {tool.name: _compile_tool(connection, source, relations, i) for i, tool in enumerate(domain.tools)}
    connection.close()
    return CompiledDomain(domain, source, shapes, tools, ChangeReader(shapes), relations, invariants)


def _steps(source: DomainSource) -> None:
    """That every step of a right plan calls a tool that there is."""
    tools = {tool.name for tool in source.domain.tools}
    for i, intent in enumerate(source.domain.intents):
        for number, plan in enumerate(intent.plans):
            place: tuple[str | int, ...] = ("or", number - 1) if number else ("gold",)
            for k, step in enumerate(plan):
                if step.tool not in tools:
                    raise BadInput(
                        f"{intent.name}: there is no tool {step.tool}",
                        where=source.at("intents.yaml", i, *place, k),
                        remedy=f"Known: {', '.join(sorted(tools))}.",
                    )


def _defaults(connection: sqlite3.Connection, shapes: dict[str, TableShape]) -> Iterator[tuple[str, str, str]]:
    """(table, column, SQL) of every default."""
    for table in shapes:
        for row in connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall():
            if row[4] is not None:
                yield table, row[1], row[4]


def _compile_tool(
    connection: sqlite3.Connection, source: DomainSource, relations: frozenset[str], i: int
) -> CompiledTool:
    tool = source.domain.tools[i]
    names = set(tool.parameters)
    if names & BOUND:
        raise BadInput(
            f"parameter {sorted(names & BOUND)[0]!r} is the engine's", where=source.at("tools.yaml", i, "parameters")
        )
    known = names | BOUND
    read_only, writing = Access(relations), Access(relations, writes=True)
    used: set[str] = set()
    for k, guard_ in enumerate(tool.requires):
        used |= _vet(connection, read_only, guard_.sql, known, source.at("tools.yaml", i, "requires", k, "sql"))
    for k, effect in enumerate(tool.effects):
        used |= _vet(connection, writing, effect, known, source.at("tools.yaml", i, "effects", k))
    used |= _vet(connection, read_only, tool.returns.sql, known, source.at("tools.yaml", i, "returns"))
    if unused := names - used:
        where = source.at("tools.yaml", i, "parameters", sorted(unused)[0])
        raise BadInput(f"{tool.name}: parameter {sorted(unused)[0]!r} is never used", where=where)
    return CompiledTool(
        tool,
        _validator(source, i),
        frozenset(read_only.read | writing.read),
        frozenset(writing.written),
    )


def _vet(connection: sqlite3.Connection, access: Access, sql: str, known: set[str], where: str) -> set[str]:
    connection.set_authorizer(access)
    try:
        used = vet(connection, access, sql)
    except DomainDefect as error:
        raise BadInput(str(error), where=where) from None
    finally:
        connection.set_authorizer(None)
    if strangers := used - known:
        raise BadInput(
            f"unknown parameter :{sorted(strangers)[0]}", where=where, remedy=f"Known: {', '.join(sorted(known))}"
        )
    return used


def _validator(source: DomainSource, i: int) -> Any:
    """A validator of one tool's arguments. Patterns run on a linear-time engine: no backtracking, no catastrophe."""
    schema = source.domain.tools[i].json_schema
    where = source.at("tools.yaml", i, "parameters")
    if _mentions_ref(schema):
        raise BadInput("$ref is not used in parameters", where=where)
    try:
        jsonschema_rs.meta.validate(schema)
        return jsonschema_rs.validator_for(
            schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=1_000_000)
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        text = str(error).splitlines()[0]
        raise BadInput(f"not a JSON Schema that can be used: {text}", where=where) from None


def _mentions_ref(value: Any) -> bool:
    if isinstance(value, dict):
        return "$ref" in value or any(_mentions_ref(part) for part in value.values())
    return isinstance(value, list) and any(_mentions_ref(part) for part in value)
