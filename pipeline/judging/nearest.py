"""How a net change differs from an expected one, told for people: which table, row and column, what was to be, what is.

Only called once the verdict is known to be a failure, so it may guess: rows are paired greedily by how many cells
differ, and what is too unlike is reported as one row missing and another one extra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.judging.communicated import communicated
from pipeline.judging.compare import compared_columns, same_cell, unexpected_updates
from pipeline.types import Answer, Cell, Change, Expected, RowInsert, TableShape
from pipeline.verdicts import Difference

Key = tuple[Cell, ...]
RowMap = dict[tuple[str, Key], Key]


def nearest_differences(
    expected: Expected, actual: Change, shapes: Mapping[str, TableShape], allow: Sequence[str]
) -> tuple[Difference, ...]:
    """Every difference under the best pairing that a greedy search finds."""
    pairs = _pair_rows(expected, actual, shapes)
    out: list[Difference] = []
    new = {(r.table, r.key): r for r in actual.inserts}
    for row in expected.change.inserts:
        key = pairs.get((row.table, row.key))
        if key is None:
            out.append(Difference(kind="missing", table=row.table, key=row.key, detail=_told(row, shapes)))
        else:
            out += _cells(row, new[row.table, key], pairs, expected, actual, shapes)
    used = {(table, key) for (table, _), key in pairs.items()}
    for row in actual.inserts:
        if (row.table, row.key) not in used and row.table not in allow:
            out.append(Difference(kind="extra", table=row.table, key=row.key, detail=_told(row, shapes)))
    out += _updates(expected, actual, pairs, shapes)
    out += [
        Difference(
            kind="extra", table=u.table, key=u.key, column=u.column, expected=u.before, actual=u.after,
            detail=f"changed from {u.before!r} to {u.after!r}",
        )
        for u in unexpected_updates(expected, actual, shapes, allow)
    ]  # fmt: skip
    gone = {(d.table, d.key) for d in actual.deletes}
    want = {(d.table, d.key) for d in expected.change.deletes}
    out += [
        Difference(kind="missing", table=d.table, key=d.key, detail="the row was to be deleted")
        for d in expected.change.deletes
        if (d.table, d.key) not in gone
    ]
    out += [
        Difference(kind="extra", table=d.table, key=d.key, detail="the row was deleted")
        for d in actual.deletes
        if (d.table, d.key) not in want and d.table not in allow
    ]
    return tuple(out)


def _told(row: RowInsert, shapes: Mapping[str, TableShape]) -> str:
    cells = ", ".join(f"{c}={row.row.get(c)!r}" for c in compared_columns(shapes[row.table]))
    return f"a new row ({cells})"


def _pair_rows(expected: Expected, actual: Change, shapes: Mapping[str, TableShape]) -> RowMap:
    """Greedy pairs, parents before children so that a child's reference can be judged."""
    new_want = {(r.table, r.key) for r in expected.change.inserts}
    pairs: RowMap = {}
    for table in _parents_first({r.table for r in expected.change.inserts}, shapes):
        wanted = [r for r in expected.change.inserts if r.table == table]
        found = [r for r in actual.inserts if r.table == table]
        columns = compared_columns(shapes[table])
        ranked = []
        for i, row in enumerate(wanted):
            for j, other in enumerate(found):
                unlike = sum(not _same(row, other, c, pairs, new_want, actual, shapes) for c in columns)
                if unlike <= max(1, len(columns) // 2):
                    ranked.append((unlike, _lost_children(row, other, expected, actual, shapes), i, j))
        taken_i: set[int] = set()
        taken_j: set[int] = set()
        for _, _, i, j in sorted(ranked):
            if i not in taken_i and j not in taken_j:
                taken_i.add(i)
                taken_j.add(j)
                pairs[table, wanted[i].key] = found[j].key
    return pairs


def _parents_first(tables: set[str], shapes: Mapping[str, TableShape]) -> list[str]:
    order: list[str] = []
    left = sorted(tables)
    while left:
        free = [t for t in left if not ({*shapes[t].references.values()} - {t}) & {*left}]
        step = free or left[:1]  # tables that refer to each other in a ring: begin anywhere
        order += step
        left = [t for t in left if t not in step]
    return order


def _same(
    row: RowInsert,
    other: RowInsert,
    column: str,
    pairs: RowMap,
    new_want: set[tuple[str, Key]],
    actual: Change,
    shapes: Mapping[str, TableShape],
) -> bool:
    shape = shapes[row.table]
    want, have, target = row.row.get(column), other.row.get(column), shape.references.get(column)
    if target and (target, (want,)) in new_want:
        mapped = pairs.get((target, (want,)))
        if mapped is None:
            return any(r.table == target and r.key == (have,) for r in actual.inserts)
        return mapped == (have,)
    return same_cell(shape.compare.get(column, "exact"), want, have)


def _lost_children(
    row: RowInsert, other: RowInsert, expected: Expected, actual: Change, shapes: Mapping[str, TableShape]
) -> int:
    """How many new children of `row` have no like among those of `other`: what tells equal parents apart."""
    lost = 0
    for child in expected.change.inserts:
        shape = shapes[child.table]
        for column, target in shape.references.items():
            if target == row.table and (child.row.get(column),) == row.key:
                plain = [c for c in compared_columns(shape) if c not in shape.references]
                lost += not any(
                    o.table == child.table
                    and (o.row.get(column),) == other.key
                    and all(same_cell(shape.compare.get(c, "exact"), child.row.get(c), o.row.get(c)) for c in plain)
                    for o in actual.inserts
                )
    return lost


def _cells(
    row: RowInsert,
    other: RowInsert,
    pairs: RowMap,
    expected: Expected,
    actual: Change,
    shapes: Mapping[str, TableShape],
) -> list[Difference]:
    new_want = {(r.table, r.key) for r in expected.change.inserts}
    shape, out = shapes[row.table], []
    for column in compared_columns(shape):
        if not _same(row, other, column, pairs, new_want, actual, shapes):
            want, target = row.row.get(column), shape.references.get(column)
            mapped = pairs.get((target, (want,))) if target else None
            out.append(
                Difference(
                    kind="cell", table=row.table, key=other.key, column=column,
                    expected=mapped[0] if mapped else want, actual=other.row.get(column),
                )
            )  # fmt: skip
    for table, key, column, answers in expected.mentions:
        if (table, key) == (row.table, row.key):
            out += _unmentioned(table, other.key, column, other.row.get(column), answers, pairs)
    return out


def _unmentioned(
    table: str, key: Key, column: str, text: Cell, answers: Sequence[Answer], pairs: RowMap
) -> list[Difference]:
    out = []
    for answer in answers:
        mapped = pairs.get((answer.new_in, (answer.value,))) if answer.new_in else None
        value = mapped[0] if mapped else answer.value
        if not (isinstance(text, str) and communicated(answer.model_copy(update={"value": value}), text)):
            out.append(
                Difference(
                    kind="mention", table=table, key=key, column=column, expected=value, actual=text,
                    detail=f"the text does not hold {answer.label}",
                )
            )  # fmt: skip
    return out


def _updates(expected: Expected, actual: Change, pairs: RowMap, shapes: Mapping[str, TableShape]) -> list[Difference]:
    now = {(u.table, u.key, u.column): u for u in actual.updates}
    new_want = {(r.table, r.key) for r in expected.change.inserts}
    out = []
    for update in expected.change.updates:
        shape = shapes[update.table]
        mode, target = shape.compare.get(update.column, "exact"), shape.references.get(update.column)
        if mode == "derived":
            continue
        other = now.get((update.table, update.key, update.column))
        place = {"table": update.table, "key": update.key, "column": update.column}
        if other is None:
            out.append(
                Difference(
                    kind="missing", **place, expected=update.after, actual=update.before,
                    detail=f"was to become {update.after!r}, still is {update.before!r}",
                )
            )  # fmt: skip
        elif target and (target, (update.after,)) in new_want and mode != "clock":
            mapped = pairs.get((target, (update.after,)))
            if mapped is None or mapped != (other.after,):
                out.append(
                    Difference(kind="cell", **place, expected=mapped[0] if mapped else update.after, actual=other.after)
                )
        elif not same_cell(mode, update.after, other.after):
            out.append(Difference(kind="cell", **place, expected=update.after, actual=other.after))
    cells = {(u.table, u.key, u.column): u.after for u in actual.updates}
    inserted = new_want
    for table, key, column, answers in expected.mentions:
        if (table, key) not in inserted:
            out += _unmentioned(table, key, column, cells.get((table, key, column)), answers, pairs)
    return out
