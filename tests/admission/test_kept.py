"""Kept results: whole or not there, bounded, never in the way, and without influence on any row."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from pipeline.storage import kept as kept_module
from pipeline.storage.kept import Kept, cache_folder
from tests.e2e.commands import generate, published, succeed

KEY, OTHER = "ab" + "0" * 30, "ab" + "1" * 30


def test_what_is_kept_is_found_again_by_its_key_alone(tmp_path: Path) -> None:
    Kept(tmp_path, "admission").put(KEY, b'{"a": 1}')
    assert Kept(tmp_path, "admission").get(KEY) == b'{"a": 1}'
    assert Kept(tmp_path, "admission").get(OTHER) is None
    assert Kept(tmp_path, "other").get(KEY) is None
    assert Kept(None, "admission").get(KEY) is None


@pytest.mark.parametrize("damage", [b"", b"x", b"\n", b"no hash\n{}", b"\xff\xfe\n{}"])
def test_what_is_damaged_counts_as_missing_and_is_made_again(tmp_path: Path, damage: bytes) -> None:
    kept = Kept(tmp_path, "admission")
    kept.put(KEY, b"{}")
    file = next(path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(damage)
    assert kept.get(KEY) is None
    kept.put(KEY, b"{}")
    assert kept.get(KEY) == b"{}"


def test_a_cut_off_result_counts_as_missing(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "admission")
    kept.put(KEY, b"x" * 1000)
    file = next(path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-1])
    assert kept.get(KEY) is None


def test_nowhere_to_keep_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = Kept(tmp_path / "file", "admission")
    kept.put(KEY, b"{}")
    assert kept.get(KEY) is None
    Kept(None, "admission").put(KEY, b"{}")


def test_the_oldest_go_when_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "MOST", 8)
    monkeypatch.setattr(kept_module, "SPARED", 4)
    kept = Kept(tmp_path, "admission")
    for n in range(30):
        kept.put(f"ab{n:030}", b"{}")
        os.utime(tmp_path / "admission" / "ab" / f"ab{n:030}", (n, n))
    left = [n for n in range(30) if kept.get(f"ab{n:030}") is not None]
    assert len(left) <= 8
    assert left == list(range(30 - len(left), 30)), "the newest stay"


def test_many_may_keep_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "MOST", 16)
    monkeypatch.setattr(kept_module, "SPARED", 12)

    def work(seed: int) -> set[bytes | None]:
        kept = Kept(tmp_path, "admission")
        found = set()
        for n in range(200):
            key = f"ab{(n * seed) % 40:030}"
            kept.put(key, key.encode() * 50)
            found.add(kept.get(key) in (None, key.encode() * 50))
        return found

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(work, range(1, 9))) == {True}
    assert not list(tmp_path.rglob("*.tmp"))


def test_where_results_are_kept_follows_from_the_environment(tmp_path: Path) -> None:
    assert cache_folder({"TOOLWORLDS_CACHE": str(tmp_path)}) == tmp_path
    assert cache_folder({"TOOLWORLDS_CACHE": "", "XDG_CACHE_HOME": str(tmp_path)}) is None
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "toolworlds"
    assert cache_folder({"XDG_CACHE_HOME": "not/absolute"}) == Path.home() / ".cache" / "toolworlds"


def test_kept_or_not_the_rows_and_the_admissions_are_the_same(tmp_path: Path) -> None:
    environments = {"cold": str(tmp_path / "cache"), "warm": str(tmp_path / "cache"), "off": ""}
    for name, cache in environments.items():
        succeed(*generate(tmp_path / name, 12, 1), env={"TOOLWORLDS_CACHE": cache})
    assert list((tmp_path / "cache" / "admission").rglob("*"))
    admissions = {
        name: duckdb.sql(f"SELECT * FROM '{tmp_path / name}/tasks/*.parquet' ORDER BY task_index").fetchall()
        for name in environments
    }
    assert admissions["cold"] == admissions["warm"] == admissions["off"]
    assert published(tmp_path / "cold") == published(tmp_path / "warm") == published(tmp_path / "off")
    counts = "mutants, killed, equivalent, variants, variants_accepted, admission"
    rows = duckdb.sql(f"SELECT {counts} FROM '{tmp_path}/cold/tasks/*.parquet'").fetchall()
    assert len(rows) == 12
    for mutants, killed, equivalent, variants, accepted, whole in rows:
        assert mutants == killed + equivalent and mutants > 0 and variants == accepted and variants >= 7
        assert '"mutants":[{"name":' in whole
