"""Questions of a run are answered from its files; nothing can be written, and nothing else be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.filters import decide
from pipeline.publish import publish
from pipeline.storage.query import connect, query, questions
from tests.storage.builders import config, dropped, fill, opened, record


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("it's a run") / "run"  # a quote in the path must not end a string of SQL
    with opened(path) as folder:
        folder.ledger().note("first_journal_row", count=1)
        fill(
            folder,
            40,
            2,
            lambda t, a: decide(
                record(t, a, state=t % 4 > 0, mistakes=() if t % 4 else ("wrong_argument",), by="model", gate=None),
                config(),
            ),
        )
        publish(folder, config(), categories={"toy": "test"})
        folder.ledger().compact()
    return path


def table(run: Path, question: str) -> list[dict]:
    answer = query(run, question)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_every_named_question_says_what_it_answers_and_answers_it(run: Path) -> None:
    assert len(questions()) >= 8
    assert {
        "funnel",
        "kinds",
        "tools",
        "drops",
        "mistakes",
        "difficulty",
        "criteria",
        "passes",
        "turns",
        "ledger",
    } <= set(questions())
    for name, what in questions().items():
        assert len(what) > 20
        assert query(run, name).rows, name


def test_the_answers_are_right(run: Path) -> None:
    drawn = [t for t in range(40) if not dropped(t)]
    good = 2 * sum(t % 4 > 0 for t in drawn)
    bad = 2 * len(drawn) - good
    funnel = {row["step"]: row for row in table(run, "funnel")}
    assert (funnel["tasks"]["in"], funnel["tasks"]["kept"], funnel["tasks"]["reasons"]) == (40, 37, "no_draw 3")
    assert funnel["cap"]["kept"] == good
    (kind,) = table(run, "kinds")
    assert (kind["kind"], kind["rows"], kind["accepted"], kind["tasks"]) == ("fulfil", good + bad, good, 37)
    (tool,) = table(run, "tools")
    assert (tool["tool"], tool["calls"], tool["ok"], tool["commonest_error"]) == (
        "book", 2 * (good + bad), 0.5, "Unknown argument things.",
    )  # fmt: skip
    (drop,) = table(run, "drops")
    assert (drop["drop_reason"], drop["rows"], drop["with_planted_mistake"]) == ("state", bad, bad)
    assert [(row["mistake"], row["rows"], row["accepted"]) for row in table(run, "mistakes")] == [
        ("(none)", good, good),
        ("wrong_argument", bad, 0),
    ]
    assert sum(row["rows"] for row in table(run, "difficulty")) == good + bad
    criteria = {row["criterion"]: row for row in table(run, "criteria")}
    assert (criteria["confirmed"]["unscored"], criteria["confirmed"]["mean_score"]) == (good + bad, None)
    assert criteria["grounded"]["met"] == good + bad
    assert [(row["attempts"], row["passes"], row["tasks"]) for row in table(run, "passes")] == [
        (2, 0, bad // 2),
        (2, 2, good // 2),
    ]
    assert [(row["turns"], row["rows"], row["messages"]) for row in table(run, "turns")] == [(3, good, 7)]
    assert [row["event"] for row in table(run, "ledger")] == ["first_journal_row"]


def test_free_sql_sees_the_views(run: Path) -> None:
    assert query(run, "SELECT count(*) FROM accepted").rows == (
        query(run, "SELECT count(*) FROM rows WHERE is_accepted").rows[0],
    )
    assert query(run, "FROM calls SELECT count(DISTINCT episode_id) AS n").rows == ((74,),)
    assert query(run, "WITH x AS (SELECT 1 AS a) SELECT a FROM x;").columns == ("a",)


def test_an_unknown_name_is_answered_with_the_names_there_are(run: Path) -> None:
    with pytest.raises(BadInput, match=r"(?s)no question named 'funel'.*funnel: What became"):
        query(run, "funel")


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM nowhere", "SELEKT 1", "SELECT nothing FROM rows", "SELECT error('no') AS x"]
)
def test_bad_sql_is_answered_with_what_duckdb_says(run: Path, sql: str) -> None:
    with pytest.raises(BadInput, match=r"(?s)Error:.*Tables: accepted"):
        query(run, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO funnel VALUES (9, 'x', 'row', 0, 0, 0, NULL)",
        "DELETE FROM funnel",
        "DROP VIEW rows",
        "COPY rows TO '{run}/stolen.parquet'",
        "COPY rows TO '/tmp/toolworlds-stolen.parquet'",
        "ATTACH '{run}/x.db'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT 1; DROP VIEW rows",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_text('{run}/run.json')",
        "SELECT * FROM read_parquet('{run}/verdicts/*.parquet')",
        "SELECT * FROM '{outside}'",
        "SELECT * FROM glob('/*')",
        "SELECT getenv('HOME')",
    ],
)
def test_nothing_is_written_and_nothing_else_is_read(run: Path, tmp_path: Path, sql: str) -> None:
    outside = tmp_path / "outside.parquet"
    shutil.copy(next((run / "dataset/accepted/domain=toy").iterdir()), outside)
    before = sorted(str(path) for path in run.rglob("*"))
    with pytest.raises(BadInput):
        query(run, sql.format(run=str(run).replace("'", "''"), outside=outside))
    assert sorted(str(path) for path in run.rglob("*")) == before
    assert not os.path.exists("/tmp/toolworlds-stolen.parquet")


def test_a_connection_in_hand_is_closed_to_the_rest_of_the_machine_too(run: Path) -> None:
    import duckdb

    with connect(run) as connection:
        for sql in ("COPY rows TO '/tmp/toolworlds-stolen.csv'", "SELECT * FROM read_text('/etc/passwd')"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
        assert connection.execute("SELECT count(*) FROM rows").fetchall() == [(74,)]


def test_a_run_without_a_dataset_or_no_run_at_all_is_said(tmp_path: Path) -> None:
    opened(tmp_path / "run").close()
    with pytest.raises(BadInput, match="no dataset yet"):
        query(tmp_path / "run", "funnel")
    with pytest.raises(BadInput, match="no run in this folder"):
        query(tmp_path / "nothing", "funnel")


def test_a_run_that_keeps_no_ledger_yet_has_an_empty_one(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 2, 1)
        publish(folder, config(), categories={"toy": "test"})
    assert query(tmp_path / "run", "ledger").rows == ()


def test_a_damaged_file_of_the_dataset_is_said(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 2, 1)
        publish(folder, config(), categories={"toy": "test"})
    (file,) = (tmp_path / "run/dataset/accepted/domain=toy").iterdir()
    file.write_bytes(b"not parquet")
    with pytest.raises(BadInput, match="cannot be read"):
        query(tmp_path / "run", "kinds")
