"""Bending an effect changes the one value that it means, however the statement is written, and nothing else."""

from __future__ import annotations

import sqlite3

import pytest

from pipeline.check.bend import Opaque, bent, columns_written, target
from pipeline.types import TableShape
from pipeline.world import functions

SCHEMA = """
CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, day TEXT, word TEXT, at TEXT) STRICT;
CREATE TABLE s (k TEXT PRIMARY KEY, n INTEGER, word TEXT) STRICT;
INSERT INTO t VALUES ('a', 1, '2026-01-31', 'red', '09:00'), ('b', 2, '2026-02-01', 'green', '10:00');
INSERT INTO s VALUES ('x', 7, 'one'), ('y', 8, 'two');
"""
TYPES = {"n": "INTEGER"}
OTHERS = ["red", "green"]
KEYS = ["p", "q"]
SHAPES = {
    "t": TableShape(
        name="t", columns=("id", "n", "day", "word", "at"), key=("id",), generated=True, references={},
        compare={"at": "clock"},
    ),
    "s": TableShape(name="s", columns=("k", "n", "word"), key=("k",), generated=False, references={}, compare={}),
}  # fmt: skip

STATEMENTS = {
    "values": ("INSERT INTO t VALUES (new_id('t'), 3, '2026-03-01', 'it''s, (so)', :now)", {"n", "day", "word"}),
    "named columns": ("INSERT INTO t (word, id, n) VALUES ('red', new_id('t'), max(1, 2))", {"word", "n"}),
    "two rows": ("insert into s values ('p', 1, 'one'), ('q', 2, 'two')", {"k", "n", "word"}),
    "select": (
        "INSERT INTO t SELECT new_id('t'), s.n + (SELECT min(n) FROM t), add_days(:today, 2) AS d, -- why, from\n"
        " CASE s.word WHEN 'one' THEN 'red' ELSE 'green' END, :now FROM s WHERE s.k = 'x' ORDER BY s.n",
        {"n", "day", "word"},
    ),
    "compound": ("INSERT INTO s SELECT 'p', 1, 'one' UNION ALL SELECT 'q', 2, 'two'", {"k", "n", "word"}),
    "with": ("WITH w(v) AS (SELECT 5) INSERT INTO s (k, n) SELECT 'z', v FROM w", {"k", "n"}),
    "distinct": ("INSERT INTO s SELECT DISTINCT 'z', 2 IS NOT DISTINCT FROM 3, 'one' FROM t", {"k", "n", "word"}),
    "upsert": (
        "INSERT INTO s VALUES ('x', 1, 'one') ON CONFLICT (k) DO UPDATE SET n = n + excluded.n WHERE TRUE",
        {"k", "n", "word"},
    ),
    "update": ("UPDATE t SET n = n + 1, \"day\" = add_days(day, (1)), at = :now WHERE id = 'a'", {"n", "day"}),
    "update from": ("UPDATE OR ABORT t SET word = x.word FROM s AS x WHERE x.k = 'x' AND t.id = 'b'", {"word"}),
    "null": ("UPDATE t SET n = NULL, word = NULL WHERE id = 'a'", {"n", "word"}),
}


def after(sql: str) -> dict[str, dict[tuple[object, ...], dict[str, object]]]:
    """The rows of each table once a statement was executed, by the order in which they were made."""
    connection = sqlite3.connect(":memory:")
    functions.install(connection)
    connection.create_function("new_id", 1, lambda _table: "new")
    connection.executescript(SCHEMA)
    connection.execute(sql, {"now": "2026-01-01 10:00:00", "today": "2026-01-01"})
    connection.row_factory = sqlite3.Row
    return {
        table: {(n,): dict(row) for n, row in enumerate(connection.execute(f"SELECT * FROM {table} ORDER BY rowid"))}
        for table in SHAPES
    }


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_written_column_can_be_bent_and_nothing_else_changes(name: str) -> None:
    sql, columns = STATEMENTS[name]
    written = columns_written(sql, SHAPES)
    assert {part.column for part in written} == columns
    plain = after(sql)
    for part in written:
        if name == "upsert" and part.column == "k":
            continue  # another key meets no conflict: another statement altogether
        other = after(bent(sql, part, TYPES.get(part.column, "TEXT"), KEYS if part.column == "k" else OTHERS))
        changed = {
            (table, column)
            for table, rows in plain.items()
            for key, row in rows.items()
            for column in row
            if other[table][key][column] != row[column]
        }
        assert {table: len(rows) for table, rows in other.items()} == {t: len(rows) for t, rows in plain.items()}
        expected = set() if name == "upsert" and part.column == "word" else {(part.table, part.column)}
        assert changed == expected, part.column


def test_a_bent_day_is_another_day_and_a_bent_word_another_word_of_the_column() -> None:
    (part,) = (p for p in columns_written(STATEMENTS["update"][0], SHAPES) if p.column == "day")
    assert after(bent(STATEMENTS["update"][0], part, "TEXT", OTHERS))["t"][(0,)]["day"] == "2026-02-02"
    (part,) = columns_written("UPDATE t SET word = 'red' WHERE id = 'b'", SHAPES)
    assert after(bent("UPDATE t SET word = 'red' WHERE id = 'b'", part, "TEXT", OTHERS))["t"][(1,)]["word"] == "green"


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        ("DELETE FROM t WHERE id = 'a'", ("DELETE", "t")),
        ("REPLACE INTO s VALUES ('x', 1, 'one')", ("INSERT", "s")),
        ("UPDATE OR IGNORE T SET n = 1", ("UPDATE", "t")),
    ],
)
def test_what_a_statement_changes_is_known(sql: str, where: tuple[str, str]) -> None:
    assert target(sql, SHAPES) == where


@pytest.mark.parametrize("sql", ["INSERT INTO s SELECT * FROM s", "UPDATE s SET (n, word) = (SELECT 1, 'one')"])
def test_a_statement_that_hides_what_it_writes_is_named(sql: str) -> None:
    with pytest.raises(Opaque):
        columns_written(sql, SHAPES)


def test_deleting_writes_no_column() -> None:
    assert columns_written("DELETE FROM t WHERE n = 1", SHAPES) == ()
