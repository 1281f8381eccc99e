"""What domain SQL may do: everything that is not allowed is refused when it is prepared, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import BadInput, DomainDefect
from pipeline.types import Change
from pipeline.world import FinalState
from pipeline.world.prepare import Workbench
from tests.world.small import SCHEMA, compiled, files, made, opened, tool

FORBIDDEN = [
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "PRAGMA user_version",
    "PRAGMA writable_schema = ON",
    "SELECT * FROM pragma_table_info('boxes')",
    "SELECT random()",
    "SELECT randomblob(4)",
    "SELECT zeroblob(1000000000)",
    "SELECT CURRENT_TIMESTAMP",
    "SELECT CURRENT_DATE",
    "SELECT CURRENT_TIME",
    "SELECT date('now')",
    "SELECT datetime('now')",
    "SELECT strftime('%s', 'now')",
    "SELECT julianday('now')",
    "SELECT unixepoch()",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/x', 'x')",
    "SELECT sqlite_version()",
    "SELECT last_insert_rowid()",
    "SELECT changes()",
    "SELECT total_changes()",
    "SELECT sql FROM sqlite_master",
    "SELECT name FROM sqlite_schema",
    "SELECT name FROM temp.sqlite_master",
    "SELECT * FROM _touched",
    "DELETE FROM _touched",
    "DELETE FROM sqlite_sequence",
    "CREATE TABLE evil (x INTEGER PRIMARY KEY) STRICT",
    "CREATE TEMP TABLE evil (x)",
    "CREATE TEMP TRIGGER evil AFTER UPDATE ON boxes BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE evil USING fts5(x)",
    "CREATE VIEW evil AS SELECT 1",
    "DROP TABLE notes",
    "DROP TRIGGER full",
    "ALTER TABLE boxes ADD COLUMN x INTEGER",
    "ANALYZE",
    "REINDEX",
    "VACUUM",
    "VACUUM INTO '/tmp/evil.db'",
    "BEGIN",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT _call",
    "RELEASE _call",
    "ROLLBACK TO _call",
    "/* so */ RELEASE _call",
    "-- so\nROLLBACK",
    "/**/ COMMIT",
    ";RELEASE _call",
    "EXPLAIN SELECT 1",
    "EXPLAIN QUERY PLAN SELECT 1",
    "/**/ EXPLAIN SELECT 1",
    "SELECT 1; DELETE FROM boxes",
    "SELECT 1; SELECT 2",
    "",
]


def write_file(tmp: str) -> bool:
    return Path(tmp).exists()


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_a_statement_that_is_not_allowed_is_refused_in_guards_effects_and_results(sql: str) -> None:
    parts = [
        {"more": f"requires:\n  - {{sql: {sql!r}, otherwise: No.}}"},
        {"more": f"effects:\n  - {sql!r}"},
        {"returns": f"{sql!r}"},
    ]
    for part in parts:
        text = {key: value.replace("\\n", " ") if "--" not in sql else value for key, value in part.items()}
        if "--" in sql:  # a YAML text with a line break in it
            text = {key: value.replace("'", '"') for key, value in text.items()}
        with pytest.raises(BadInput) as error:
            compiled(tool("evil", **text))
        assert "small/tools.yaml:" in str(error.value)
    assert not write_file("/tmp/evil.db")


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_it_is_refused_in_what_the_ladder_prepares_too(sql: str) -> None:
    bench = Workbench(compiled())
    for writes in (False, True):
        with pytest.raises(DomainDefect):
            bench.prepare(sql, logs=True, writes=writes)
    bench.close()


@pytest.mark.parametrize("where", ["requires:\n  - {sql: %s, otherwise: No.}", "returns"])
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM boxes",
        "UPDATE boxes SET size = 1",
        "INSERT INTO boxes VALUES (99, 'x', 1)",
        "WITH a AS (SELECT 1) DELETE FROM boxes RETURNING 1",
    ],
)
def test_guards_and_results_write_nothing(where: str, sql: str) -> None:
    text = {"returns": f'"{sql}"'} if where == "returns" else {"more": where % f'"{sql}"'}
    with pytest.raises(BadInput, match="changing boxes"):
        compiled(tool("sly", **text))


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA foreign_keys = OFF;",
        "ATTACH '/tmp/evil.db' AS e;",
        "VACUUM INTO '/tmp/evil.db';",
        "DROP TABLE notes;",
        "INSERT INTO boxes VALUES (1, 'x', 1);",
        "CREATE TEMP TABLE t (x);",
        "CREATE TABLE t AS SELECT 1 AS x;",
        "SELECT random();",
        "CREATE INDEX i ON boxes (size) WHERE random() > 0;",
        "BEGIN;",
        "CREATE TRIGGER _capture_x AFTER UPDATE ON boxes BEGIN DELETE FROM _touched; END;",
        "CREATE VIEW _v AS SELECT 1;",
        "CREATE TABLE _touched (x INTEGER PRIMARY KEY) STRICT;",
        "CREATE TABLE late (x INTEGER PRIMARY KEY, y INTEGER REFERENCES boxes DEFERRABLE INITIALLY DEFERRED) STRICT;",
    ],
)
def test_a_schema_makes_tables_views_indexes_and_triggers_and_nothing_else(statement: str) -> None:
    with pytest.raises(BadInput) as error:
        compiled(schema=SCHEMA + statement + "\n")
    assert "small/schema.sql" in str(error.value)
    assert not write_file("/tmp/evil.db")


@pytest.mark.parametrize(
    "column",
    [
        "y TEXT DEFAULT CURRENT_TIMESTAMP",
        "y INTEGER DEFAULT (random())",
        "y TEXT CHECK (y < datetime('now')) DEFAULT 'a'",
    ],
)
def test_a_column_that_draws_or_reads_the_clock_cannot_be_written(column: str) -> None:
    with pytest.raises(BadInput):
        compiled(
            tool("add", more="effects:\n  - INSERT INTO odd (x) VALUES (1)"),
            schema=SCHEMA + f"CREATE TABLE odd (x INTEGER PRIMARY KEY, {column}) STRICT;",
        )


def test_views_are_read_with_the_same_rules() -> None:
    for inside in ("SELECT name FROM sqlite_master", "SELECT random() AS name", "SELECT tbl AS name FROM _touched"):
        with pytest.raises(BadInput):
            compiled(tool("peek", returns="SELECT name FROM v"), schema=SCHEMA + f"CREATE VIEW v AS {inside};")


def test_a_trigger_cannot_reach_what_a_statement_cannot() -> None:
    for inside in ("DELETE FROM _touched", "UPDATE boxes SET size = random()"):
        trigger = f"CREATE TRIGGER t AFTER INSERT ON notes BEGIN {inside}; END;"
        with pytest.raises(BadInput):
            compiled(
                tool("add", more="effects:\n  - INSERT INTO notes VALUES ('N-900', 1, 'x', 'y')"),
                schema=SCHEMA + trigger,
            )


def test_checks_and_draws_of_a_verdict_only_read() -> None:
    with FinalState(made(), Change()) as state:
        for sql in ("DELETE FROM boxes", "SELECT name FROM sqlite_master", "PRAGMA user_version", "SELECT random()"):
            with pytest.raises(DomainDefect, match="not allowed in a domain"):
                state.first_row(sql)
        assert state.first_row("SELECT count(*) FROM boxes") == (6,)


def test_a_default_that_follows_from_nothing_else_is_allowed() -> None:
    assert compiled(
        schema=SCHEMA
        + "CREATE TABLE odd (x INTEGER PRIMARY KEY, y TEXT DEFAULT 'a', z INTEGER DEFAULT (1 + 2)) STRICT;"
    )


def test_the_log_is_read_by_verdicts_and_not_by_tools() -> None:
    with FinalState(made(), Change(), user_turns=[(1, "Hi.", True)]) as state:
        assert state.check("SELECT confirms FROM user_turns")
        assert not state.check("SELECT 1 FROM call_log")
    with pytest.raises(BadInput, match="no such table: call_log"):
        compiled(tool("peek", returns="SELECT name FROM call_log"))


def test_json_reads_work_from_the_first_call_on() -> None:
    episode = opened(tool("count", parameters="{x: {type: array}}", returns="SELECT count(*) AS n FROM json_each(:x)"))
    assert episode.call("count", {"x": [1, 2, 3]}).result == '{"n":3}'


def test_the_files_of_the_test_domain_are_allowed() -> None:
    """The control: what is refused above is refused for what it says, not for where it stands."""
    assert compiled(tool("ok", more="requires:\n  - {sql: SELECT 1, otherwise: No.}\neffects:\n  - DELETE FROM notes"))
    assert files()
