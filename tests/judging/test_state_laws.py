"""Laws of the state verdict: other ids and another order never matter; every other deviation does.

What is a deviation is decided by `oracle`, which compares whole dumps by brute force.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.check.oracle import same_outcome
from pipeline.judging.state import match_change, state_verdict
from pipeline.types import Cell, CellUpdate, Change, Expected, RowDelete, RowInsert
from tests.judging.build import SHAPES, Reader, booking, mail, meal, passenger

START: dict[str, list[dict[str, Cell]]] = {
    "bookings": [booking(f"B{i}", "old").row for i in range(2)],
    "flights": [{"flight": f"TW{i}", "seats_left": 9, "booking_id": None} for i in (1, 2)],
    "passengers": [passenger("P0", "B0").row],
    "meals": [],
    "mails": [mail("M0").row],
    "accounts": [{"account": a, "cents": 100, "seen_at": "then", "total": 1} for a in ("A", "B")],
}
OLD_CELLS = [("flights", f"TW{i}", "seats_left", 9, 8) for i in (1, 2)] + [
    ("accounts", a, c, b, n)
    for a in ("A", "B")
    for c, b, n in (("cents", 100, 50), ("seen_at", "then", "now"), ("total", 1, 2))
]
few = st.integers(0, 2)


@st.composite
def changes(draw: Any) -> Change:
    """A change in which many rows look alike, so that only their links tell them apart."""
    inserts: list[RowInsert] = []
    booked = [f"B{10 + i}" for i in range(draw(st.integers(0, 3)))]
    inserts += [booking(b, draw(st.sampled_from(["ann", "bo"])), cents=5) for b in booked]
    people = 0
    for parent in [*booked, "B0"]:
        for _ in range(draw(few)):
            people += 1
            inserts.append(passenger(f"P{10 + people}", parent, draw(st.sampled_from(["Ann", "ANN", "Ben"]))))
            for leg in range(draw(st.integers(0, 1))):
                inserts.append(meal(f"P{10 + people}", leg, draw(st.sampled_from(["rice", "fish"]))))
    inserts += [mail(f"M{10 + i}") for i in range(draw(few))]
    updates = [
        CellUpdate(table=t, key=(k,), column=c, before=b, after=a)
        for t, k, c, b, a in draw(st.lists(st.sampled_from(OLD_CELLS), unique=True, max_size=3))
    ]
    if booked and draw(st.booleans()):
        target = draw(st.sampled_from(booked))
        updates.append(CellUpdate(table="flights", key=("TW1",), column="booking_id", before=None, after=target))
    deletes = [RowDelete(table="mails", key=("M0",), row={})] if draw(st.booleans()) else []
    return Change(inserts=tuple(inserts), updates=tuple(updates), deletes=tuple(deletes))


def applied(change: Change) -> dict[str, list[dict[str, Cell]]]:
    dump = {table: [dict(row) for row in rows] for table, rows in START.items()}
    gone = {(d.table, d.key) for d in change.deletes}
    for table, rows in dump.items():
        shape = SHAPES[table]
        rows[:] = [r for r in rows if (table, tuple(r[c] for c in shape.key)) not in gone]
        rows += [dict(r.row) for r in change.inserts if r.table == table]
        for update in change.updates:
            for row in rows:
                if update.table == table and tuple(row[c] for c in shape.key) == update.key:
                    row[update.column] = update.after
    return dump


def renamed(change: Change, names: dict[tuple[str, Cell], str]) -> Change:
    """The same change with other ids for its new rows."""

    def cells(table: str, row: dict[str, Cell]) -> dict[str, Cell]:
        shape, out = SHAPES[table], dict(row)
        for column in shape.columns:
            owner = shape.references.get(column) or (table if column in shape.key else None)
            out[column] = names.get((owner or "", row[column]), row[column])
        return out

    def insert(row: RowInsert) -> RowInsert:
        new = cells(row.table, row.row)
        return RowInsert(table=row.table, key=tuple(new[c] for c in SHAPES[row.table].key), row=new)

    updates = tuple(
        u.model_copy(update={"after": names.get((SHAPES[u.table].references.get(u.column, ""), u.after), u.after)})
        for u in change.updates
    )
    return change.model_copy(update={"inserts": tuple(map(insert, change.inserts)), "updates": updates})


def passes(expected: Change, actual: Change, allow: tuple[str, ...] = ()) -> bool:
    outcome = Expected(plan="gold", change=expected)
    result = state_verdict(
        [outcome], actual, SHAPES, allow, wrote=not actual.empty, reader=Reader(), told=lambda a, v: True
    )
    assert result.passed == (not result.differences)
    assert all(d.kind != "search" for d in result.differences), "a small problem is never given up"
    return result.passed or [d.kind for d in result.differences] == ["wrote"]


@given(changes(), st.randoms(use_true_random=False))
def test_other_ids_and_another_order_always_pass(gold: Change, rng: Any) -> None:
    names: dict[tuple[str, Cell], str] = {}
    for table in ("bookings", "passengers", "mails"):
        keys = [r.key[0] for r in gold.inserts if r.table == table]
        fresh = [f"{table[0].upper()}{50 + i}" for i in range(len(keys))] if rng.random() < 0.5 else list(keys)
        rng.shuffle(fresh)
        names |= {(table, k): f for k, f in zip(keys, fresh, strict=True)}
    actual = renamed(gold, names)
    parts = {name: list(getattr(actual, name)) for name in ("inserts", "updates", "deletes")}
    for part in parts.values():
        rng.shuffle(part)
    actual = Change(**{name: tuple(part) for name, part in parts.items()})
    assert passes(gold, actual)
    rows, differences = match_change(Expected(plan="gold", change=gold), actual, SHAPES)
    assert rows is not None and not differences
    assert len({(t, v) for (t, _), v in rows.items()}) == len(gold.inserts)


def mutate(change: Change, rng: Any) -> Change:
    """One deviation: a cell, a row or a link that is not as it was. It may be one that does not matter."""
    inserts, updates, deletes = list(change.inserts), list(change.updates), list(change.deletes)
    kind = rng.choice(["cell", "drop", "twice", "link", "link", "update", "no update", "more", "delete"])
    if kind in ("cell", "link", "drop", "twice") and inserts:
        i = rng.randrange(len(inserts))
        row, shape = inserts[i], SHAPES[inserts[i].table]
        if kind == "drop":
            inserts.pop(i)
        elif kind == "twice":
            taken = {r.key for r in inserts}
            fresh = [(f"{row.table[0].upper()}{n}",) if shape.generated else (row.key[0], n) for n in (97, 98, 99)]
            key = next(k for k in fresh if k not in taken)
            inserts.append(RowInsert(table=row.table, key=key, row=row.row | dict(zip(shape.key, key, strict=True))))
        else:
            columns = [c for c in shape.columns if c not in shape.key and (c in shape.references) == (kind == "link")]
            if columns:
                column = rng.choice(columns)
                values = {r.row.get(column) for r in inserts if r.table == row.table} | {"B0", "B1", "zed"}
                new = row.row | {column: rng.choice(sorted(map(str, values)))}
                inserts[i] = RowInsert(table=row.table, key=row.key, row=new)
    elif kind == "update" and updates:
        i = rng.randrange(len(updates))
        updates[i] = updates[i].model_copy(update={"after": "other"})
    elif kind == "no update" and updates:
        updates.pop(rng.randrange(len(updates)))
    elif kind == "delete":
        deletes = [] if deletes else [RowDelete(table="mails", key=("M0",), row={})]
    else:
        table, key, column, before, after = rng.choice(OLD_CELLS)
        if not any((u.table, u.key, u.column) == (table, (key,), column) for u in updates):
            updates.append(CellUpdate(table=table, key=(key,), column=column, before=before, after=after))
    return Change(inserts=tuple(inserts), updates=tuple(updates), deletes=tuple(deletes))


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    changes(),
    st.randoms(use_true_random=False),
    st.integers(1, 2),
    st.sampled_from([(), ("mails",), ("accounts.cents",)]),
)
def test_a_deviation_passes_only_where_brute_force_finds_the_same_outcome(
    gold: Change, rng: Any, times: int, allow: tuple[str, ...]
) -> None:
    actual = gold
    for _ in range(times):
        actual = mutate(actual, rng)
    assert passes(gold, actual, allow) == same_outcome(START, applied(gold), applied(actual), SHAPES, allow)


@settings(max_examples=150, deadline=None)
@given(changes(), changes())
def test_two_unrelated_changes_are_the_same_only_if_brute_force_says_so(one: Change, other: Change) -> None:
    assert passes(one, other) == same_outcome(START, applied(one), applied(other), SHAPES)


def test_the_oracle_tells_apart_what_it_must() -> None:
    def dump(*rows: RowInsert) -> Any:
        return applied(Change(inserts=rows))

    gold = dump(booking("B9"), booking("B8"), passenger("P9", "B9", "Ann"), passenger("P8", "B9", "Ben"))
    swapped = dump(booking("B9"), booking("B8"), passenger("P7", "B8", "Ben"), passenger("P6", "B8", "Ann"))
    regrouped = dump(booking("B9"), booking("B8"), passenger("P9", "B9", "Ann"), passenger("P8", "B8", "Ben"))
    assert same_outcome(START, gold, swapped, SHAPES)
    assert not same_outcome(START, gold, regrouped, SHAPES)
    assert not same_outcome(START, gold, dump(booking("B9"), booking("B8")), SHAPES)
    assert not same_outcome(START, dump(), dump(mail("M9")), SHAPES)
    assert same_outcome(START, dump(), dump(mail("M9")), SHAPES, ["mails"])
    assert not same_outcome(START, dump(mail("M9")), dump(mail("M9", " ")), SHAPES)
    assert not same_outcome(START, dump(booking("B9", cents=1)), dump(booking("B9", cents=2)), SHAPES)
