"""Questions of a run, asked with DuckDB: by name (`pipeline/queries/*.sql`) or in free SQL.

Views: `accepted`, `rejected`, `rows` (both, with a column `is_accepted`), `calls`, `criteria`, `tasks`, `ledger`,
`funnel`, `trust` (what trust.json says). Macros: `wilson_low(found, out_of)` and `wilson_high`, the ends of the 95 %
interval of a rate. The connection may read the files behind these views and nothing else: external access is off, the
configuration is locked, and only a query is taken, so nothing can be written and nothing outside the run be read.

A run that was made before a column existed has NULL in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.errors import BadInput
from pipeline.storage.commits import Commit
from pipeline.storage.dataset import SIDES, dataset_files
from pipeline.storage.ledger import TABLE as LEDGER
from pipeline.storage.trust_file import read_trust

if TYPE_CHECKING:
    import duckdb

TABLES = ("accepted", "rejected", "rows", "calls", "criteria", "tasks", "ledger", "funnel", "trust")
QUERIES = Path(__file__).resolve().parent.parent / "queries"

_VIEWS = """
CREATE VIEW rows AS SELECT true AS is_accepted, * FROM accepted UNION ALL SELECT false, * FROM rejected;
CREATE VIEW calls AS SELECT episode_id, domain, is_accepted, unnest(calls, recursive := true) FROM rows;
CREATE VIEW criteria AS
    SELECT episode_id, domain, is_accepted, kind, c.name AS name, c."by" AS "by", c.choice AS choice, c.score AS score,
        c.passed AS passed, c.reason AS reason, c.evidence AS evidence
    FROM (SELECT episode_id, domain, is_accepted, kind, unnest(criteria) AS c FROM rows);
CREATE VIEW tasks AS SELECT * EXCLUDE (task) FROM task_rows
    QUALIFY row_number() OVER (PARTITION BY task_index) = 1; -- raising the attempts commits its tasks again
CREATE TABLE trust(part VARCHAR, domain VARCHAR, finding VARCHAR, found BIGINT, out_of BIGINT);
CREATE TABLE funnel(position INTEGER, step VARCHAR, unit VARCHAR, came BIGINT, kept BIGINT, dropped BIGINT,
    reasons MAP(VARCHAR, BIGINT));
"""
# Wilson (1927): honest also for rates near 0 and 1 and for small numbers, where the usual interval is not.
_WILSON = """
CREATE MACRO wilson_half(found, out_of) AS
    1.959964 * sqrt(found / out_of * (1 - found / out_of) / out_of + 1.959964 ^ 2 / (4 * out_of ^ 2));
CREATE MACRO wilson_low(found, out_of) AS CASE WHEN out_of > 0 THEN greatest(0, (found / out_of
    + 1.959964 ^ 2 / (2 * out_of) - wilson_half(found, out_of)) / (1 + 1.959964 ^ 2 / out_of)) END;
CREATE MACRO wilson_high(found, out_of) AS CASE WHEN out_of > 0 THEN least(1, (found / out_of
    + 1.959964 ^ 2 / (2 * out_of) + wilson_half(found, out_of)) / (1 + 1.959964 ^ 2 / out_of)) END;
"""
_LATE_ROWS = {"attribution": "VARCHAR"}
_LATE_TASKS = dict.fromkeys(("mutants", "killed", "equivalent", "variants", "variants_accepted"), "INTEGER")
_LATE_TASKS |= {"admission": "VARCHAR"}
_NO_LEDGER = """
CREATE TABLE ledger(command INTEGER, happened_at TIMESTAMPTZ, event VARCHAR, wall_seconds DOUBLE, cpu_seconds DOUBLE,
    shard INTEGER, count BIGINT, detail VARCHAR)
"""


def questions() -> dict[str, str]:
    """The named questions, each with the line that says what it answers."""
    return {file.stem: _first_line(file) for file in sorted(QUERIES.glob("*.sql"))}


def _first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("--").strip()


def connect(run: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the views, closed against writing and against every other file.

    Raises BadInput when the folder holds no published run.
    """
    import duckdb

    run = run.absolute()
    if not (run / "run.json").is_file():
        remedy = "Give the folder that `toolworlds generate` wrote, for example runs/travel."
        raise BadInput("there is no run in this folder", where=str(run), remedy=remedy)
    files = dataset_files(run)
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for side in SIDES:
            _view(connection, side, files[side], _LATE_ROWS)
        tasks = _task_files(run)
        _view(connection, "task_rows", tasks, _LATE_TASKS)
        connection.execute(_VIEWS)
        connection.execute(_WILSON)
        trust = read_trust(run)
        for figure in trust.figures if trust is not None else ():
            connection.execute("INSERT INTO trust VALUES (?, ?, ?, ?, ?)", list(figure.model_dump().values()))
        connection.executemany("INSERT INTO funnel VALUES (?, ?, ?, ?, ?, ?, ?)", _funnel_rows(run / "funnel.json"))
        ledger = [run / LEDGER] if (run / LEDGER).is_file() else []
        if ledger:
            _view(connection, "ledger", ledger, {})
        else:
            connection.execute(_NO_LEDGER)
        readable = [str(file) for file in [*files["accepted"], *files["rejected"], *tasks, *ledger]]
        connection.execute(f"SET allowed_paths = {_literal(readable)}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        connection.close()
        remedy = "Remove the dataset folder and run the same `toolworlds generate` command again: it is made anew."
        raise BadInput(f"its files cannot be read: {error}", where=str(run), remedy=remedy) from None
    return connection


@dataclass(frozen=True)
class Answer:
    """A table: names, DuckDB's names of their types, and rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def query(run: Path, question: str) -> Answer:
    """The answer to a named question or to free SQL, whole in memory; for what is larger, use `connect`.

    Raises BadInput for an unknown name (with the names there are), for what is not one SELECT, and for SQL that DuckDB
    refuses (with what it says).
    """
    import duckdb

    sql = _sql(question)
    connection = connect(run)
    try:
        statements = connection.extract_statements(sql)
        allowed = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
        if len(statements) != 1 or statements[0].type not in allowed:
            raise BadInput("only one SELECT can be asked", where="query", remedy="A run is read here, never changed.")
        result = connection.execute(sql)
        columns = result.description or []
        return Answer(
            columns=tuple(column[0] for column in columns),
            types=tuple(str(column[1]) for column in columns),
            rows=tuple(result.fetchall()),
        )
    except duckdb.Error as error:
        names = ", ".join(questions())
        remedy = f"Tables: {', '.join(TABLES)}. Named questions: {names}."
        raise BadInput(str(error), where="query", remedy=remedy) from None
    finally:
        connection.close()


def _sql(question: str) -> str:
    if (text := question.strip()) in questions():
        return (QUERIES / f"{text}.sql").read_text(encoding="utf-8")
    if not text or len(text.split()) == 1:
        known = "\n".join(f"  {name}: {what}" for name, what in questions().items())
        raise BadInput(f"there is no question named {text!r}; there are\n{known}", remedy="Or give a whole SELECT.")
    return text


def _view(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], late: Mapping[str, str]) -> None:
    """A view over files. `late`: columns (name → type) that files of older runs lack; they are NULL there."""
    # The files hold `domain` themselves; read from the folder's name it would be a second, guessed one.
    source = f"read_parquet({_literal([str(file) for file in files])}, hive_partitioning = false, union_by_name = true)"
    there = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    nulls = "".join(f", NULL::{kind} AS {column}" for column, kind in late.items() if column not in there)
    connection.execute(f"CREATE VIEW {name} AS SELECT *{nulls} FROM {source}")


def _task_files(run: Path) -> list[Path]:
    """The files of the tasks stage, as the commits name them. Raises BadInput when there are none."""
    try:
        commits = [Commit.model_validate_json(file.read_bytes()) for file in sorted((run / "_commits").glob("*.json"))]
        files = [run / commit.files["tasks"].path for commit in commits]
    except (OSError, ValueError, KeyError):
        files = []
    if not files:
        remedy = "Run the same `toolworlds generate` command again: it does what is missing."
        raise BadInput("its commits cannot be read", where=str(run / "_commits"), remedy=remedy)
    return files


def _literal(values: list[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def _funnel_rows(file: Path) -> list[list[object]]:
    try:
        steps = orjson.loads(file.read_bytes())["steps"]
    except (OSError, ValueError, KeyError):
        remedy = "Run the same `toolworlds generate` command again: it writes the funnel."
        raise BadInput("the funnel cannot be read", where=str(file), remedy=remedy) from None
    return [
        [i, s["name"], s["unit"], s["in"], s["kept"], sum(s["dropped"].values()), s["dropped"]]
        for i, s in enumerate(steps)
    ]
