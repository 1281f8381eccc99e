"""Comparisons of results and whole states with each other, row by row, for audits: nothing here trusts bookkeeping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from pipeline.check.plausible import objects_in
from pipeline.types import Cell, TableShape
from pipeline.world import CompiledDomain, FinalState
from pipeline.world.change import quoted
from pipeline.world.dump import Rows

SHOWN = 12  # objects of one result that are held against the tables


def disagreements(compiled: CompiledDomain, state: FinalState, result: str) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) where an object of a result shows the key of a row and a cell that no such row holds."""
    for shown in islice(objects_in(orjson.loads(result)), SHOWN):
        rows = list(_rows_of(compiled, state, shown))
        for name, value in shown.items():
            cells = [row[name] for row in rows if name in row]
            if cells and isinstance(value, (str, int)) and value not in cells:
                yield name, f"shows {name} = {value!r}, the tables hold {cells[0]!r}"


def _rows_of(compiled: CompiledDomain, state: FinalState, shown: Mapping[str, Any]) -> Iterator[dict[str, Cell]]:
    """The rows whose keys an object shows."""
    for shape in compiled.shapes.values():
        key = [shown.get(column) for column in shape.key]
        if all(isinstance(cell, (str, int)) for cell in key) and (row := row_at(state, shape, key)):
            yield row


def row_at(state: FinalState, shape: TableShape, key: Sequence[Any]) -> dict[str, Cell]:
    """The row of a key, empty where there is none."""
    where = " AND ".join(f"{quoted(column)} = :k{n}" for n, column in enumerate(shape.key))
    sql = f"SELECT * FROM {quoted(shape.name)} WHERE {where}"
    return next(iter(state.rows(sql, {f"k{n}": cell for n, cell in enumerate(key)}, 1)), {})


def unlike(before: Rows, after: Rows) -> str | None:
    """The first table whose rows differ, in whatever order they come."""

    def plain(rows: Sequence[Mapping[str, Cell]]) -> list[str]:
        return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode() for row in rows)

    differing = (table for table in before if before[table] != after[table])
    return next((table for table in differing if plain(before[table]) != plain(after[table])), None)


def difference(compiled: CompiledDomain, before: Rows, after: Rows) -> dict[str, list[dict[str, object]]]:
    """The difference of two states, row by row, in the form and order of `change_json`."""
    out: dict[str, list[dict[str, object]]] = {"inserts": [], "updates": [], "deletes": []}
    for name in sorted(name for name in compiled.shapes if before[name] != after[name]):
        key = compiled.shapes[name].key
        old, new = ({orjson.dumps([row[c] for c in key]): row for row in rows[name]} for rows in (before, after))
        for text in sorted({*old, *new}):
            at: dict[str, object] = {"table": name, "key": orjson.loads(text)}
            was, now = old.get(text), new.get(text)
            if was is None:
                out["inserts"].append({**at, "row": now})
            elif now is None:
                out["deletes"].append({**at, "row": was})
            else:
                out["updates"] += [
                    {**at, "column": column, "before": was[column], "after": now[column]}
                    for column in compiled.shapes[name].columns
                    if was[column] != now[column]
                ]
    return out
