"""The same seed makes the same rows, in all columns, however the run was made."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.e2e.commands import SIDES, TOY, assert_same, generate, published, succeed
from tests.e2e.conftest import ATTEMPTS, TASKS, Clean


def test_a_second_run_under_another_hash_seed_is_identical(clean: Clean, tmp_path: Path) -> None:
    succeed(*generate(tmp_path / "run", TASKS, ATTEMPTS), env={"PYTHONHASHSEED": "4711"})
    assert_same(tmp_path / "run", clean.content)


def test_worker_processes_change_nothing(clean: Clean, tmp_path: Path) -> None:
    succeed(*generate(tmp_path / "run", TASKS, ATTEMPTS, "--workers", "3"))
    assert_same(tmp_path / "run", clean.content)

    def files(run: Path) -> str:
        return f"read_parquet('{run}/dataset/*/*/*.parquet', hive_partitioning=false)"

    both = f"mine as (from {files(clean.path)}), other as (from {files(tmp_path / 'run')})"
    differences = "((from mine except all from other) union all (from other except all from mine))"
    assert duckdb.sql(f"with {both} select count(*) from {differences}").fetchall() == [(0,)]


def test_raising_tasks_in_two_steps_and_attempts_is_the_same_as_at_once(clean: Clean, tmp_path: Path) -> None:
    for tasks, attempts in [(32, 1), (50, 1), (50, ATTEMPTS), (TASKS, ATTEMPTS)]:
        succeed(*generate(tmp_path / "run", tasks, attempts))
    assert_same(tmp_path / "run", clean.content)


def test_another_seed_makes_other_tasks(clean: Clean, tmp_path: Path) -> None:
    succeed(*generate(tmp_path / "run", 8, 1, "--seed", "1"))
    other = published(tmp_path / "run")
    for column in ("task_id", "episode_id", "seed"):
        ours = {row[column] for side in SIDES for row in clean.content[side]}
        assert not ours & {row[column] for side in SIDES for row in other[side]}, column


@pytest.mark.verify
def test_raising_tasks_and_attempts_in_long_steps(tmp_path: Path) -> None:
    steps = [(32, 1), (50, 1), (96, 1), (96, 3)]
    for tasks, attempts in steps:
        succeed(*generate(tmp_path / "steps", tasks, attempts))
    for attempts, tasks in [(1, 32), (2, 50), (3, 96)]:
        succeed(*generate(tmp_path / "other", tasks, attempts, "--workers", "3"))
    succeed(*generate(tmp_path / "once", 96, 3))
    content = published(tmp_path / "once")
    assert_same(tmp_path / "steps", content)
    assert_same(tmp_path / "other", content)


@pytest.mark.verify
@pytest.mark.parametrize("domain", ["toy", "travel"])
def test_one_and_three_workers_and_twice(tmp_path: Path, domain: str) -> None:
    given = TOY if domain == "toy" else domain
    succeed(*generate(tmp_path / "a", 96, 2, domain=given))
    content = published(tmp_path / "a")
    for name, workers, hashes in [("b", "1", "1"), ("c", "3", "2")]:
        succeed(*generate(tmp_path / name, 96, 2, "--workers", workers, domain=given), env={"PYTHONHASHSEED": hashes})
        assert_same(tmp_path / name, content)
