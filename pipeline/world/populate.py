"""A world from a domain and a seed: tables filled by generators, then captured as an image.

Population is the costly part, so one world serves many tasks. Everything is drawn with our own generator from data
that ships with the project; the domain's constraints and triggers decide which rows may stand (`when_refused`).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.domain import TableRows
from pipeline.errors import BadInput, DomainDefect
from pipeline.identity import Rng, derive_seed
from pipeline.wording import fold, render
from pipeline.world.access import Budget, connect, describe, guard
from pipeline.world.change import capture_sql, quoted, world_hash
from pipeline.world.compile import ID_FORMAT, CompiledDomain, apply_schema
from pipeline.world.world import World
from pipeline.world.yaml_file import parse_yaml

REDRAWS = 20  # draws of one row before it is left out
MAX_TABLE_ROWS = 50_000
LOG_SCHEMA = (
    "CREATE TABLE call_log (idx INTEGER PRIMARY KEY, turn INTEGER, actor TEXT, name TEXT, arguments TEXT,"
    " ok INTEGER, result TEXT, error TEXT, wrote INTEGER);"
    "CREATE TABLE user_turns (turn INTEGER PRIMARY KEY, text TEXT, confirms INTEGER);"
)
GENERATORS = frozenset("id const choose int date pick parent ref person email phone text sql".split())

Row = dict[str, Any]
Generator = Callable[["Context"], Any]


class Context:
    """What a generator may look at: the row so far, its parent, its position, the tables before it.

    Tasks use it too, for the helper draws of an intent.
    """

    def __init__(
        self, rng: Rng, connection: sqlite3.Connection | None, today: str, seed: int, names: Names | None = None
    ) -> None:
        self.rng, self.today = rng, today
        self._connection, self._names = connection, names
        self.row: Row = {"today": today, "world_seed": seed}
        self.parent: Row = {}
        self.n = 0
        self.person: tuple[str, str] | None = None
        self.taken: set[str] = set()
        self.keys: dict[str, list[Any]] = {}

    @property
    def names(self) -> Names:
        """The names to draw people from."""
        if self._names is None:
            self._names = parse_names(NAMES.read_text(encoding="utf-8"))
        return self._names

    @property
    def connection(self) -> sqlite3.Connection:
        """The tables so far. ValueError where there are none: outside a population."""
        if self._connection is None:
            raise ValueError("this generator needs tables, which are not at hand here")
        return self._connection

    def begin(self, n: int, parent: Row, axes: Row) -> None:
        self.n, self.parent, self.person = n, parent, None
        self.row = {"today": self.row["today"], "world_seed": self.row["world_seed"]}
        for name, value in axes.items():
            _bind(self.row, name, value)


def _bind(row: Row, name: str, value: Any) -> None:
    """A value under its name; the parts of a mapping also as `name_part`, which SQL can bind."""
    row[name] = value
    if isinstance(value, dict):
        row.update({f"{name}_{part}": cell for part, cell in value.items()})


NAMES = Path(__file__).with_name("names.yaml")


class Names(NamedTuple):
    """The people of populations: (first, last) names by locale, the locales' weights, and e-mail domains."""

    locales: list[tuple[list[str], list[str]]]
    weights: list[int]
    email_domains: list[str]


@lru_cache(maxsize=4)
def parse_names(text: str) -> Names:
    """The names that a file's text holds (`names.yaml`)."""
    data, _ = parse_yaml(text, NAMES.name)
    locales = list(data["locales"].values())
    return Names([(e["first"], e["last"]) for e in locales], [e["weight"] for e in locales], data["email_domains"])


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
                    _bind(context.row, name, make(context))
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


# ---------------------------------------------------------------- generators


def generator(compiled: CompiledDomain, table: str, name: str, spec: dict[str, Any]) -> Generator:
    """The maker of one column's values. Raises BadInput for a spec that names no generator, or uses one wrongly."""
    where = compiled.source.at("population.yaml", "tables", table, "columns", name)
    kinds = GENERATORS & set(spec)
    if len(kinds) != 1:
        raise BadInput(f"{table}.{name}: names exactly one of {', '.join(sorted(GENERATORS))}", where=where)
    (kind,) = kinds
    extra = set(spec) - {kind, *({"int": ("step",), "ref": ("where",)}.get(kind, ()))}
    if extra:
        raise BadInput(f"{table}.{name}: unknown key {sorted(extra)[0]!r}", where=where)
    try:
        return _MAKERS[kind](compiled, spec[kind], spec)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise BadInput(f"{table}.{name}: {kind} cannot be understood ({error})", where=where) from None


def _id(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    if not ID_FORMAT.fullmatch(value):
        raise ValueError("needs one {n} or {n:04}")
    return lambda c: value.format(n=c.n)


def _choose(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    items = list(value)
    weights = [int(w) for w in value.values()] if isinstance(value, dict) else [1] * len(items)
    if not items or min(weights) < 0 or not sum(weights):
        raise ValueError("no choices")
    items = [None if item == "null" else item for item in items]
    return lambda c: c.rng.weighted(items, weights)


def _int(_: CompiledDomain, value: Any, spec: Row) -> Generator:
    (low, high), step = value, spec.get("step", 1)
    if high < low or step < 1:
        raise ValueError("low, high and step")
    return lambda c: low + step * c.rng.below((high - low) // step + 1)


def _date(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    low, high = value
    return lambda c: (date.fromisoformat(c.today) + timedelta(days=c.rng.between(low, high))).isoformat()


def _pick(compiled: CompiledDomain, value: Any, _spec: Row) -> Generator:
    entries = compiled.domain.population.vocabulary[value]
    return lambda c: c.rng.choice(entries)


def _ref(compiled: CompiledDomain, value: Any, spec: Row) -> Generator:
    shape = compiled.shapes[value]
    where = f" WHERE {spec['where']}" if "where" in spec else ""
    key = quoted(shape.key[0])
    sql = f"SELECT {key} FROM {quoted(value)}{where} ORDER BY {key}"

    def make(c: Context) -> Any:
        if where or sql not in c.keys:
            c.keys[sql] = [row[0] for row in c.connection.execute(sql, c.row)]
        if not c.keys[sql]:
            raise sqlite3.IntegrityError(f"no row of {value} fits{where}")
        return c.rng.choice(c.keys[sql])

    return make


def _person(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    if value not in ("full", "first", "last"):
        raise ValueError("full, first or last")

    def make(c: Context) -> str:
        if c.person is None:
            first, last = c.rng.weighted(c.names.locales, c.names.weights)
            c.person = c.rng.choice(first), c.rng.choice(last)
        return {"full": " ".join(c.person), "first": c.person[0], "last": c.person[1]}[value]

    return make


def _email(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    def make(c: Context) -> str:
        local = re.sub(r"[^a-z0-9]+", ".", fold(c.row[value]) or "").strip(".") or "guest"
        at = c.rng.choice(c.names.email_domains)
        n, text = 1, f"{local}@{at}"
        while text in c.taken:  # numbered, so that UNIQUE holds
            n += 1
            text = f"{local}{n}@{at}"
        c.taken.add(text)
        return text

    return make


def _phone(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    return lambda c: re.sub("#", lambda _: str(c.rng.below(10)), value)


def _text(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    return lambda c: render(str(value), c.row)


def _sql(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    def make(c: Context) -> Any:
        row = c.connection.execute(value, c.row).fetchone()
        return row[0] if row else None

    return make


def _parent(_: CompiledDomain, value: Any, _spec: Row) -> Generator:
    return lambda c: c.parent[value]


_MAKERS: dict[str, Callable[[CompiledDomain, Any, Row], Generator]] = {
    "id": _id,
    "const": lambda _d, value, _s: lambda c: value,
    "choose": _choose,
    "int": _int,
    "date": _date,
    "pick": _pick,
    "parent": _parent,
    "ref": _ref,
    "person": _person,
    "email": _email,
    "phone": _phone,
    "text": _text,
    "sql": _sql,
}
