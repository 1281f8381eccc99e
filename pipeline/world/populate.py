"""A world from a domain and a seed: tables filled by generators, then captured as an image.

Population is the costly part, so one world serves many tasks. Everything is drawn with our own generator from data
that ships with the project; the domain's constraints and triggers decide which rows may stand (`when_refused`).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import product
from math import prod
from typing import Any

from pipeline.domain import TableRows
from pipeline.errors import BadInput, DomainDefect
from pipeline.identity import Rng, derive_seed
from pipeline.world.access import Budget, connect, describe, guard
from pipeline.world.change import capture_sql, quoted, world_hash
from pipeline.world.compile import CompiledDomain, apply_schema
from pipeline.world.generators import Context, Names, Row, bind, generator
from pipeline.world.world import World

REDRAWS = 20  # draws of one row before it is left out
MAX_TABLE_ROWS = 50_000
LOG_SCHEMA = (
    "CREATE TABLE call_log (idx INTEGER PRIMARY KEY, turn INTEGER, actor TEXT, name TEXT, arguments TEXT,"
    " ok INTEGER, result TEXT, error TEXT, wrote INTEGER);"
    "CREATE TABLE user_turns (turn INTEGER PRIMARY KEY, text TEXT, confirms INTEGER);"
)


def populate(compiled: CompiledDomain, seed: int, names: Names | None = None, *, reverse: bool = False) -> World:
    """The world of this domain and seed. `names`: other than those that ship (a run keeps the ones it was made with).

    `reverse`: rows that nobody ordered come in the other order, here and in every use of the world; nothing may differ.

    Raises BadInput (with the line) when population.yaml cannot be followed, DomainDefect when an invariant or a
    foreign key does not hold at the end.
    """
    domain, source = compiled.domain, compiled.source
    rng = Rng(derive_seed(seed, "population"))
    first, last = (date.fromisoformat(day) for day in domain.population.clock.days)
    today = (first + timedelta(days=rng.below((last - first).days + 1))).isoformat()
    connection = apply_schema(source, reverse=reverse)
    connection.execute("SAVEPOINT population")
    access = compiled.access()
    budget = guard(connection, access)
    context = Context(rng, connection, today, seed, names)
    try:
        for table, spec in domain.population.tables.items():
            try:
                _fill(compiled, table, spec, context, budget)
            except sqlite3.Error as error:
                where = source.at("population.yaml", "tables", table)
                raise BadInput(f"{table}: {describe(error, access)} (row {context.n})", where=where) from None
        for i, sql in enumerate(domain.population.after):
            budget.reset()
            try:
                connection.execute(sql, {"today": today, "world_seed": seed})
            except sqlite3.Error as error:
                where = source.at("population.yaml", "after", i)
                raise BadInput(describe(error, access), where=where) from None
        for invariant in domain.invariants:
            budget.reset()
            row = connection.execute(invariant.sql, {"today": today, "now": today}).fetchone()
            if row is not None:
                raise DomainDefect(
                    f"seed {seed}: after population the invariant {invariant.name!r} is broken by {row!r}"
                )
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
        connection.execute("RELEASE population")
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise DomainDefect(
                f"seed {seed}: after population {broken[0]} refers to a row of {broken[2]} that is not there"
            )
        return _seal(compiled, connection, seed, today, reverse)
    finally:
        connection.close()


def _seal(compiled: CompiledDomain, connection: sqlite3.Connection, seed: int, today: str, reverse: bool) -> World:
    """The images of a populated database, and what goes with them."""
    state = world_hash(connection, compiled.shapes)
    next_ids = {table: _next_number(connection, compiled, table) for table in compiled.domain.ids}
    plain = connect(connection.serialize())
    for (name,) in plain.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        plain.execute(f"DROP TRIGGER {quoted(name)}")
    plain.executescript(LOG_SCHEMA)
    connection.executescript(capture_sql(compiled.shapes))
    world = World(
        compiled=compiled,
        seed=seed,
        today=today,
        start=f"{today} {compiled.domain.population.clock.time}",
        state=state,
        next_ids=next_ids,
        image=connection.serialize(),
        plain_image=plain.serialize(),
        reverse=reverse,
    )
    plain.close()
    return world


def _next_number(connection: sqlite3.Connection, compiled: CompiledDomain, table: str) -> int:
    """One more than the largest number among the table's ids of the domain's format."""
    before, _, after = re.sub(r"\{n[^}]*\}", "\0", compiled.domain.ids[table]).partition("\0")
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    key = compiled.shapes[table].key[0]
    numbers = (
        int(found[1])
        for (value,) in connection.execute(f"SELECT {quoted(key)} FROM {quoted(table)}")
        if (found := form.fullmatch(str(value)))
    )
    return max(numbers, default=0) + 1


# ---------------------------------------------------------------- filling a table


def _fill(compiled: CompiledDomain, table: str, spec: TableRows, context: Context, budget: Budget) -> None:
    source = compiled.source
    where = source.at("population.yaml", "tables", table)
    if table not in compiled.shapes:
        raise BadInput(f"there is no table {table}", where=where)
    shape = compiled.shapes[table]
    if strangers := set(spec.columns) - set(shape.columns):
        raise BadInput(f"{table} has no column {sorted(strangers)[0]}", where=where)
    plan = [
        (name, generator(compiled, table, name, part)) for name, part in (*spec.also.items(), *spec.columns.items())
    ]
    parts = {name: part for part in ("also", "columns") for name in getattr(spec, part)}
    names = list(spec.columns)
    insert = f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
    context.taken, context.keys = set(), {}
    for n, (parent, axes) in enumerate(_slots(compiled, table, spec, context), 1):
        if n > MAX_TABLE_ROWS:
            raise BadInput(f"{table} grows beyond {MAX_TABLE_ROWS:,} rows", where=where)
        for attempt in range(REDRAWS if spec.when_refused else 1):
            context.begin(n, parent, axes)
            budget.reset()
            name = ""
            try:
                for name, make in plan:
                    bind(context.row, name, make(context))
                name = ""
                context.connection.execute(insert, [context.row[name] for name in names])
                break
            except (KeyError, ValueError, TypeError, OverflowError, sqlite3.ProgrammingError, BadInput) as error:
                line = source.at("population.yaml", "tables", table, *((parts[name], name) if name else ()))
                what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
                raise BadInput(f"{table}.{name}: {what} (row {n})", where=line) from None
            except sqlite3.IntegrityError:  # a constraint, a trigger's RAISE, or a reference that nothing fits
                if not spec.when_refused:
                    raise
                if attempt == REDRAWS - 1:
                    break  # the row is left out


def _slots(compiled: CompiledDomain, table: str, spec: TableRows, context: Context) -> Iterator[tuple[Row, Row]]:
    """(parent row, axis values) of every row to be made."""
    rng = context.rng
    if spec.rows is not None:
        for _ in range(rng.between(*spec.rows)):
            yield {}, {}
    elif spec.per is not None:
        ((parent, counts),) = spec.per.items()
        if parent not in compiled.shapes:
            where = compiled.source.at("population.yaml", "tables", table, "per")
            raise BadInput(f"there is no table {parent}", where=where)
        shape = compiled.shapes[parent]
        order = ", ".join(map(quoted, shape.key))
        for row in context.connection.execute(f"SELECT * FROM {quoted(parent)} ORDER BY {order}").fetchall():
            for _ in range(rng.weighted(list(counts), list(counts.values()))):
                yield dict(zip(shape.columns, row, strict=True)), {}
    else:
        axes = spec.each or {}
        values = [_axis(compiled, table, name, what) for name, what in axes.items()]
        if prod(len(axis) for axis in values) > MAX_TABLE_ROWS:
            where = compiled.source.at("population.yaml", "tables", table, "each")
            raise BadInput(f"{table} grows beyond {MAX_TABLE_ROWS:,} rows", where=where)
        for combination in product(*values):
            yield {}, dict(zip(axes, combination, strict=True))


def _axis(compiled: CompiledDomain, table: str, name: str, what: Any) -> Sequence[Any]:
    if isinstance(what, list):
        return what
    if isinstance(what, dict) and set(what) == {"range"}:
        (low, high) = what["range"]
        if isinstance(low, int) and isinstance(high, int) and high - low < MAX_TABLE_ROWS:
            return range(low, high + 1)
    if isinstance(what, str) and what.startswith("vocabulary."):
        entries = compiled.domain.population.vocabulary.get(what.removeprefix("vocabulary."))
        if entries is not None:
            return list(entries)
    where = compiled.source.at("population.yaml", "tables", table, "each", name)
    raise BadInput(f"axis {name}: takes a list, {{range: [a, b]}} or vocabulary.<name>", where=where)
