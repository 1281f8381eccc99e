"""Questions of a run are answered from its files; nothing can be written, and nothing else be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import BadInput
from pipeline.filters import decide
from pipeline.publish import publish
from pipeline.storage.query import connect, query, questions
from pipeline.storage.trust_file import Figure, TrustFile, write_trust
from pipeline.verdicts import Admission
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
        "trust",
        "verifiers",
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
    assert (drop["attribution"], drop["drop_reason"], drop["rows"], drop["with_planted_mistake"]) == (
        "agent", "state", bad, bad,
    )  # fmt: skip
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


def test_the_ends_of_an_interval_are_wilsons(run: Path) -> None:
    """Against values that others have published: Newcombe (1998), table I, method 3."""
    ((low, high, none, all_low, all_high),) = query(
        run,
        "SELECT wilson_low(81, 263), wilson_high(81, 263), wilson_high(0, 20), wilson_low(1, 29), wilson_high(1, 29)",
    ).rows
    assert [round(v, 4) for v in (low, high, none, all_low, all_high)] == [0.2553, 0.3662, 0.1611, 0.0061, 0.1718]
    assert query(run, "SELECT wilson_low(0, 0), wilson_high(0, 0)").rows == ((None, None),)
    assert query(run, "SELECT wilson_low(0, 9), wilson_high(9, 9)").rows == ((0, 1),)


def test_trust_brings_together_what_was_measured_and_whose_fault_rows_are(tmp_path: Path) -> None:
    tally = {"name": "dropped", "made": 10, "killed": 8, "equivalent": 1}
    admission = Admission.model_validate(
        {"mutants": [tally], "variants": [{"name": "reordered", "made": 4, "accepted": 3}]}
    )
    figure = Figure(part="audit", domain="toy", finding="leak", found=1, out_of=500)
    with opened(tmp_path / "run") as folder:
        for work in folder.remaining(4, 1):
            rows = [decide(record(t, 0, state=t > 0), config()) for t in work.tasks]
            folder.seal(work, [row.task for row in rows], [], rows, {row.task.index: admission for row in rows})
        before = publish(folder, config(tasks=4, attempts=1), categories={"toy": "test"})
        assert before.accepted == 3
        assert any("trust.json" in row["finding"] for row in table(tmp_path / "run", "trust"))
        write_trust(tmp_path / "run", TrustFile(figures=(figure,)))
    found = {(row["part"], row["finding"]): row for row in table(tmp_path / "run", "trust")}
    assert not any(part == "not measured" for part, _ in found)
    assert (found["verifiers", "mutants killed"]["found"], found["verifiers", "mutants killed"]["out_of"]) == (32, 36)
    rejected = found["verifiers", "variants rejected"]
    assert (rejected["found"], rejected["out_of"], rejected["rate"]) == (4, 16, 0.25)
    assert (found["audit", "leak"]["rate"], found["rejected rows", "put down to agent"]["found"]) == (0.002, 1)
    classes = {(row["measure"], row["by"], row["which"]): row for row in table(tmp_path / "run", "verifiers")}
    assert classes["mutants killed", "class", "dropped"]["equivalent"] == 4
    assert classes["variants rejected", "kind", "fulfil"]["found"] == 4
    assert {by for _, by, _ in classes} == {"all", "domain", "kind", "class"}


def test_a_run_made_before_a_column_existed_is_answered_with_what_to_do(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with opened(run) as folder:
        fill(folder, 4, 1, lambda t, a: decide(record(t, a, state=t > 0), config()))
        publish(folder, config(tasks=4, attempts=1), categories={"toy": "test"})
    late = {"attribution", "mutants", "killed", "equivalent", "variants", "variants_accepted", "admission"}
    for file in [*run.glob("dataset/*/domain=toy/*.parquet"), *run.glob("tasks/*.parquet")]:
        there = pq.read_table(file)
        pq.write_table(there.drop_columns([name for name in there.column_names if name in late]), file)
    assert table(run, "drops")[0]["attribution"] == "(not recorded)"
    assert "make the run anew" in table(run, "verifiers")[0]["which"]
    said = [row["finding"] for row in table(run, "trust")]
    assert any("make the run anew" in text for text in said) and any("no trust.json" in text for text in said)
    assert query(run, "SELECT count(*) FROM tasks WHERE mutants IS NULL").rows == ((4,),)


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
