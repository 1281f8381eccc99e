"""What changed, against the slow way: two full dumps compared row by row.

Random sequences of calls over a schema with cascades, composite and textual keys, collations and triggers; the net
change must be the difference of the dumps, whatever happened in between.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DomainDefect
from pipeline.types import CellUpdate, Change, RowDelete, RowInsert
from pipeline.world import FinalState, SqlEnvironment, World
from pipeline.world.change import EMPTY_HASH, change_hash, state_after
from tests.world.small import made, tool

SCHEMA = """
CREATE TABLE shelves (shelf TEXT PRIMARY KEY COLLATE NOCASE, place INTEGER UNIQUE) STRICT;
CREATE TABLE boxes (
  box_id INTEGER PRIMARY KEY, shelf TEXT REFERENCES shelves ON DELETE CASCADE ON UPDATE CASCADE, label TEXT UNIQUE,
  size INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE items (
  box_id INTEGER REFERENCES boxes ON DELETE SET NULL ON UPDATE CASCADE, item TEXT, n INTEGER NOT NULL,
  PRIMARY KEY (item, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE moves (move_id TEXT PRIMARY KEY, box_id INTEGER, at TEXT) STRICT;
CREATE TRIGGER moved AFTER UPDATE OF shelf ON boxes
BEGIN UPDATE boxes SET size = size + 1 WHERE box_id = NEW.box_id; END;
CREATE TRIGGER gone AFTER DELETE ON boxes BEGIN INSERT INTO items VALUES (NULL, 'rest', OLD.box_id + 100); END;
"""
POPULATION = """
clock: {days: [2026-03-01, 2026-03-31]}
tables:
  shelves: {each: {s: [a, b, c]}, columns: {shelf: {sql: "SELECT :s"}, place: {sql: "SELECT unicode(:s)"}}}
  boxes:
    per: {shelves: {2: 1}}
    columns: {box_id: {sql: "SELECT coalesce(max(box_id), 0) + 1 FROM boxes"}, shelf: {parent: shelf}, size: {const: 1},
      label: {sql: "SELECT 'L' || (SELECT count(*) FROM boxes)"}}
  items:
    per: {boxes: {1: 1}}
    columns: {box_id: {parent: box_id}, item: {const: nail}, n: {sql: "SELECT :box_id"}}
"""
STATEMENTS = {
    "add_shelf": ("shelf text, place integer", "INSERT INTO shelves VALUES (:shelf, :place)"),
    "put_shelf": ("shelf text, place integer", "REPLACE INTO shelves VALUES (:shelf, :place)"),
    "name_shelf": ("shelf text, other text", "UPDATE shelves SET shelf = :other WHERE shelf = :shelf"),
    "drop_shelf": ("shelf text", "DELETE FROM shelves WHERE shelf = :shelf"),
    "add_box": ("box integer, shelf text, label text", "INSERT INTO boxes VALUES (:box, :shelf, :label, 1)"),
    "put_box": ("box integer, shelf text, label text", "INSERT OR REPLACE INTO boxes VALUES (:box, :shelf, :label, 1)"),
    "upsert_box": (
        "box integer, label text",
        "INSERT INTO boxes (box_id, label) VALUES (:box, :label) "
        "ON CONFLICT (box_id) DO UPDATE SET label = excluded.label",
    ),
    "move_box": ("box integer, shelf text", "UPDATE OR IGNORE boxes SET shelf = :shelf WHERE box_id = :box"),
    "renumber_box": ("box integer, other integer", "UPDATE boxes SET box_id = :other WHERE box_id = :box"),
    "drop_box": ("box integer", "DELETE FROM boxes WHERE box_id = :box"),
    "swap_items": ("item text", "UPDATE OR REPLACE items SET n = n + 1 WHERE item = :item"),
    "put_item": ("box integer, item text, n integer", "REPLACE INTO items VALUES (:box, :item, :n)"),
    "drop_items": ("n integer", "DELETE FROM items WHERE n >= :n"),
    "log_move": (
        "box integer",
        "INSERT INTO moves SELECT new_id('moves'), box_id, :now FROM boxes WHERE box_id >= :box ORDER BY box_id",
    ),
    "forget_moves": ("box integer", "DELETE FROM moves WHERE box_id = :box"),
    "shift_places": ("place integer", "UPDATE shelves SET place = -place WHERE place > :place"),
}
VALUES = {
    "text": st.sampled_from(["a", "A", "b", "c", "C", "d", "nail", "rest", "L0", "L3", "x\x00y", "é"]),
    "integer": st.sampled_from([-3, 0, 1, 2, 3, 4, 6, 7, 97, 98, 100, 103, 2**53 + 1]),
}


def _tool(name: str) -> str:
    parameters, sql = STATEMENTS[name]
    pairs = [part.split() for part in parameters.split(", ")]
    types = {"text": "string", "integer": "integer"}
    schema = "{" + ", ".join(f"{key}: {{type: {types[kind]}}}" for key, kind in pairs) + "}"
    return tool(name, parameters=schema, more=f'effects:\n  - "{sql}"')


def _calls(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    pairs = [part.split() for part in STATEMENTS[name][0].split(", ")]
    return st.tuples(st.just(name), st.fixed_dictionaries({key: VALUES[kind] for key, kind in pairs}))


CALLS = st.lists(st.sampled_from(sorted(STATEMENTS)).flatmap(_calls), max_size=14)
HEADER = "name: small\ncategory: test\ntitle: T\nsummary: S\nids: {moves: 'M-{n}'}\n"
WORLD: World = made("".join(map(_tool, STATEMENTS)), schema=SCHEMA, population=POPULATION, header=HEADER)


def dump(state: FinalState) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """Every row of every table by its key."""
    out = {}
    for name, shape in WORLD.compiled.shapes.items():
        rows = state.rows(f"SELECT * FROM {name}", {}, 10_000)
        out[name] = {tuple(row[column] for column in shape.key): row for row in rows}
        assert len(out[name]) == len(rows)
    return out


def dump_episode(episode: SqlEnvironment) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """The same of a running episode, asked of its database directly."""
    out = {}
    for name, shape in WORLD.compiled.shapes.items():
        cursor = episode._session.own(f"SELECT * FROM {name}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        out[name] = {tuple(row[column] for column in shape.key): row for row in rows}
    return out


def difference(before: dict[str, Any], after: dict[str, Any]) -> Change:
    """The slow way."""
    inserts, updates, deletes = [], [], []
    for table in before:
        old, new = before[table], after[table]
        inserts += [RowInsert(table=table, key=key, row=new[key]) for key in new if key not in old]
        deletes += [RowDelete(table=table, key=key, row=old[key]) for key in old if key not in new]
        updates += [
            CellUpdate(table=table, key=key, column=column, before=old[key][column], after=new[key][column])
            for key in old
            if key in new
            for column in old[key]
            if old[key][column] != new[key][column]
        ]
    return Change(inserts=tuple(inserts), updates=tuple(updates), deletes=tuple(deletes))


def unordered(change: Change) -> tuple[list[str], ...]:
    return tuple(sorted(map(repr, part)) for part in (change.inserts, change.updates, change.deletes))


def play(calls: list[tuple[str, dict[str, Any]]]) -> SqlEnvironment:
    episode = SqlEnvironment(WORLD)
    for name, arguments in calls:
        try:
            episode.call(name, arguments)
        except DomainDefect:  # a constraint: the call left no trace, which is what is to be shown
            continue
    return episode


with FinalState(WORLD, Change()) as _start:
    START = dump(_start)

PROPERTY = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@PROPERTY
@given(CALLS)
def test_the_net_change_is_the_difference_of_two_dumps_and_leads_from_one_to_the_other(
    calls: list[tuple[str, dict[str, Any]]],
) -> None:
    episode = play(calls)
    try:
        end = dump_episode(episode)
        change = episode.change()
        assert unordered(change) == unordered(difference(START, end))
        assert episode.state_hash() == change_hash(change)
        assert change.empty == (end == START) == (episode.state_hash() == EMPTY_HASH)
        with FinalState(WORLD, change) as rebuilt:
            assert dump(rebuilt) == end
    finally:
        episode.close()


@PROPERTY
@given(CALLS, CALLS)
def test_two_hashes_are_equal_if_and_only_if_the_states_are(one: list[Any], other: list[Any]) -> None:
    first, second = play(one), play(other)
    try:
        same = dump_episode(first) == dump_episode(second)
        assert (first.state_hash() == second.state_hash()) == same
    finally:
        first.close()
        second.close()


@settings(PROPERTY, max_examples=60)
@given(CALLS)
def test_an_episode_given_back_leaves_the_start_for_the_next(calls: list[Any]) -> None:
    play(calls).close()
    fresh = SqlEnvironment(WORLD)
    assert dump_episode(fresh) == START and fresh.change() == Change()
    fresh.close()


def test_book_then_erase_nets_to_nothing() -> None:
    episode = play([("add_box", {"box": 7, "shelf": "a", "label": "new"}), ("log_move", {"box": 7})])
    assert not episode.change().empty
    for name, arguments in (("drop_box", {"box": 7}), ("forget_moves", {"box": 7}), ("drop_items", {"n": 107})):
        assert episode.call(name, arguments).wrote
    assert (episode.change(), episode.state_hash()) == (Change(), EMPTY_HASH)
    episode.close()


def test_a_row_changed_and_changed_back_nets_to_nothing() -> None:
    episode = play([("swap_items", {"item": "rest"}), ("shift_places", {"place": 0})])
    assert episode.change().updates
    episode.call("shift_places", {"place": -1000})
    assert episode.change() == Change()
    episode.close()


def test_a_changed_key_is_one_row_gone_and_another_come() -> None:
    episode = play([("renumber_box", {"box": 6, "other": 60})])
    change = episode.change()
    assert [(d.table, d.key) for d in change.deletes if d.table == "boxes"] == [("boxes", (6,))]
    assert [(i.table, i.key) for i in change.inserts if i.table == "boxes"] == [("boxes", (60,))]
    episode.close()


def test_a_key_that_differs_only_for_the_letter_is_another_key() -> None:
    episode = play([("name_shelf", {"shelf": "b", "other": "B"})])
    change = episode.change()
    assert ([d.key for d in change.deletes], [i.key for i in change.inserts]) == ([("b",)], [("B",)])
    episode.close()


def test_the_change_is_sorted_by_table_and_key() -> None:
    change = play([("log_move", {"box": 1}), ("drop_shelf", {"shelf": "b"}), ("shift_places", {"place": 0})]).change()
    for part in (change.inserts, change.updates, change.deletes):
        tables = [row.table for row in part]
        assert tables == sorted(tables)


def test_the_hash_of_an_end_depends_on_start_and_change() -> None:
    one, other = (
        change_hash(play([("drop_box", {"box": 1})]).change()),
        change_hash(play([("drop_box", {"box": 2})]).change()),
    )
    assert len({state_after("s", one), state_after("s", other), state_after("t", one), "s"}) == 4
    assert state_after("s", EMPTY_HASH) == "s"
