"""The generators of population.yaml: each makes one column's values, row by row, from a seeded draw.

Names and vocabularies are data, drawn with our own generator, so that no library can change a world.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import BadInput
from pipeline.identity import Rng
from pipeline.wording import fold, render
from pipeline.world.change import quoted
from pipeline.world.compile import ID_FORMAT, CompiledDomain
from pipeline.world.yaml_file import parse_yaml

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
            bind(self.row, name, value)


def bind(row: Row, name: str, value: Any) -> None:
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
