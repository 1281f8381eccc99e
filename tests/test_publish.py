"""Publishing closes the funnel, depends on the commits and the config alone, and leaves both sides readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from pipeline.errors import BadInput
from pipeline.filters import decide
from pipeline.publish import publish, published
from pipeline.storage.card import COLUMNS
from pipeline.storage.dataset import dataset_files, read_rows
from pipeline.storage.funnel import Funnel
from pipeline.storage.schema import dataset_schema
from pipeline.storage.shards import RunFolder
from pipeline.types import DroppedTask
from pipeline.verdicts import Record
from tests.storage.builders import config, fill, opened, record, task, words

CATEGORIES = {"toy": "test", "other": "test"}


def mixed(index: int, attempt: int) -> Record:
    """Every way in which a row can end, spread over the work list."""
    at = index % 8
    made = record(
        index,
        attempt,
        state=at != 1 or attempt == 1,
        gate=at != 2,
        status="user_failure" if at == 3 and attempt == 0 else "ok",
        opening=words("copied", n=60) if at == 4 else None,
        thing="the same" if at == 4 else None,
    )
    return decide(made, config())


def run(path: Path, make: Any = mixed, tasks: int = 40, attempts: int = 2, **changes: Any) -> Funnel:
    settings = config(tasks=tasks, attempts=attempts, **changes)
    with opened(path, tasks=tasks, attempts=attempts, **changes) as folder:
        fill(folder, tasks, attempts, make)
        return publish(folder, settings, categories=CATEGORIES)


def step(funnel: Funnel, name: str) -> tuple[int, int, dict[str, int]]:
    found = next(s for s in funnel.steps if s.name == name)
    return found.came, found.kept, found.dropped


def test_the_funnel_closes_and_agrees_with_the_rows(tmp_path: Path) -> None:
    funnel = run(tmp_path / "run")
    assert step(funnel, "tasks") == (40, 37, {"no_draw": 3})
    assert step(funnel, "episodes") == (74, 74, {})
    assert step(funnel, "finished") == (74, 69, {"user_failure": 5})
    assert step(funnel, "state") == (69, 65, {"state": 4})  # of five tasks one was dropped when drawn
    assert step(funnel, "gates") == (65, 55, {"gates": 10})
    assert step(funnel, "near_duplicate") == (55, 49, {"near_duplicate": 6})  # the first of four tasks stays, twice
    assert (funnel.accepted, funnel.rejected) == (49, 25)
    assert json.loads((tmp_path / "run" / "funnel.json").read_text()) == json.loads(funnel.json_text())
    rows = list(read_rows(tmp_path / "run"))
    reasons = [row["drop_reason"] for row in rows]
    assert reasons.count(None) == 49
    assert {r: reasons.count(r) for r in set(reasons) - {None}} == {
        "finished": 5, "state": 4, "gates": 10, "near_duplicate": 6,
    }  # fmt: skip
    assert len({row["episode_id"] for row in rows}) == 74


def test_every_rejected_row_says_whose_fault_it_is_and_the_card_counts_them(tmp_path: Path) -> None:
    run(tmp_path / "run")
    whose = {(row["drop_reason"], row["attribution"]) for row in read_rows(tmp_path / "run")}
    assert whose == {
        (None, None),
        ("finished", "user"),
        ("state", "agent"),
        ("gates", "agent"),
        ("near_duplicate", "selection"),
    }
    text = (tmp_path / "run" / "README.md").read_text()
    assert "## Can it be trusted?" in text
    assert "| rejected rows | toy | put down to selection | 6 | 25 | 0.2400 |" in text
    assert "there is no trust.json" in text, "nothing was measured beside these rows, and the card says so"


def test_a_funnel_that_does_not_close_is_an_error(tmp_path: Path) -> None:
    funnel = run(tmp_path / "run")
    for change in (
        {"accepted": funnel.accepted + 1},
        {"statuses": {"ok": 1}},
        {"steps": (funnel.steps[0].model_copy(update={"kept": 1}), *funnel.steps[1:])},
        {"steps": (*funnel.steps[:3], *funnel.steps[4:])},
    ):
        with pytest.raises(RuntimeError):
            funnel.model_copy(update=change).check()


def test_passes_and_attempts_are_those_of_the_whole_run(tmp_path: Path) -> None:
    run(tmp_path / "run", attempts=1)
    run(tmp_path / "run", attempts=3)
    for row in read_rows(tmp_path / "run"):
        index = next(i for i in range(40) if task(i).task_id == row["task_id"])
        expected = {1: 1, 2: 0, 3: 2}.get(
            index % 8, 3
        )  # state: attempt 1 alone; gates: none; user failure: not the first
        assert (row["attempts"], row["passes"]) == (3, expected)


def test_the_same_run_has_the_same_bytes_however_it_came_about(tmp_path: Path) -> None:
    run(tmp_path / "a" / "run", tasks=70, attempts=3)
    for tasks, attempts in ((3, 1), (50, 1), (50, 2), (70, 3)):
        run(tmp_path / "b" / "run", tasks=tasks, attempts=attempts)
    for name in ("funnel.json", "README.md"):
        assert (tmp_path / "a/run" / name).read_bytes() == (tmp_path / "b/run" / name).read_bytes()
    assert list(read_rows(tmp_path / "a/run")) == list(read_rows(tmp_path / "b/run"))
    for one, two in zip(*(sorted((tmp_path / x).rglob("dataset/*/*/*.parquet")) for x in "ab"), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_publishing_again_changes_nothing_and_repairs_what_lies_beside(tmp_path: Path) -> None:
    funnel = run(tmp_path / "run")
    (file, *_) = dataset_files(tmp_path / "run")["accepted"]
    made = file.stat().st_mtime_ns
    (tmp_path / "run" / "funnel.json").unlink()
    with opened(tmp_path / "run") as folder:
        assert published(folder, config(), categories=CATEGORIES)
        assert publish(folder, config(), categories=CATEGORIES) == funnel
        assert file.stat().st_mtime_ns == made
        assert (tmp_path / "run" / "funnel.json").exists()
        assert not published(folder, config(tasks=50), categories=CATEGORIES)


def test_an_incomplete_run_says_what_is_undone(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 32, 1, mixed)
        funnel = publish(folder, config(tasks=40, attempts=2), categories=CATEGORIES)
    assert step(funnel, "tasks") == (40, 30, {"no_draw": 2, "undone": 8})
    assert step(funnel, "episodes") == (60, 30, {"undone": 30})


def test_what_was_sealed_since_is_published(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 32, 2, mixed)
        publish(folder, config(), categories=CATEGORIES)
        fill(folder, 40, 2, mixed)
        assert not published(folder, config(), categories=CATEGORIES)
        assert publish(folder, config(), categories=CATEGORIES).accepted == 49
    assert sum(1 for _ in read_rows(tmp_path / "run")) == 74


def test_a_defect_rejects_every_row_of_its_domain_and_no_other(tmp_path: Path) -> None:
    def make(index: int, attempt: int) -> Record:
        of = task(index, domain=("toy", "other")[index % 2])
        status = "domain_defect" if (index, attempt) == (9, 1) else "ok"
        return decide(record(index, attempt, of=of, status=status), config())

    funnel = run(tmp_path / "run", make, domains=("toy", "other"))
    rows = list(read_rows(tmp_path / "run"))
    assert {row["drop_reason"] for row in rows if row["domain"] == "toy"} == {None}
    assert {row["drop_reason"] for row in rows if row["domain"] == "other"} == {"finished", "domain_quarantined"}
    assert step(funnel, "finished")[2] == {"domain_defect": 1}


def test_a_defect_that_let_no_task_come_rejects_its_domain_too(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        (work,) = folder.remaining(4, 1)
        lost = [DroppedTask(index=3, domain="toy", reason="domain_defect", detail="an invariant is broken")]
        folder.seal(work, [task(i) for i in range(3)], lost, [decide(record(i, 0), config()) for i in range(3)])
        publish(folder, config(), categories=CATEGORIES)
    assert {row["drop_reason"] for row in read_rows(tmp_path / "run")} == {"domain_quarantined"}


@pytest.mark.parametrize("side", ["accepted", "rejected"])
def test_a_side_without_rows_has_its_schema_for_every_reader(tmp_path: Path, side: str) -> None:
    run(tmp_path / "run", lambda t, a: decide(record(t, a, state=side == "rejected"), config()))
    root = tmp_path / "run" / "dataset" / side
    assert [path.name for path in root.iterdir()] == ["domain=toy"]
    found = pyarrow.dataset.dataset(root, partitioning="hive")
    assert found.count_rows() == 0
    assert found.schema.names == dataset_schema().names
    (file,) = root.glob("*/*.parquet")
    assert pq.read_schema(file).equals(dataset_schema())
    assert duckdb.sql(f"SELECT count(*), count(calls[1].name) FROM '{root}/*/*.parquet'").fetchall() == [(0, 0)]


def test_each_domain_has_its_folder_and_row_groups_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.storage import dataset

    monkeypatch.setattr(dataset, "ROW_GROUP", 20)
    monkeypatch.setattr(dataset, "_PENDING", 10)
    monkeypatch.setattr(dataset, "_OPEN", 1)  # more domains than files at once: a domain gets several parts

    def make(index: int, attempt: int) -> Record:
        return record(index, attempt, of=task(index, domain=("toy", "other")[index % 2]))

    run(tmp_path / "run", make, domains=("toy", "other"), tasks=64, attempts=3)
    files = dataset_files(tmp_path / "run")["accepted"]
    assert {file.parent.name for file in files} == {"domain=toy", "domain=other"}
    assert len(files) > 2
    groups = [
        pq.ParquetFile(f).metadata.row_group(i).num_rows
        for f in files
        for i in range(pq.read_metadata(f).num_row_groups)
    ]
    assert sum(groups) == sum(1 for _ in read_rows(tmp_path / "run", ["accepted"]))
    assert sorted(groups)[2:] == [g for g in sorted(groups)[2:] if 20 <= g < 30]  # all but each domain's last
    order = [row["seed"] for row in read_rows(tmp_path / "run", ["accepted"]) if row["domain"] == "toy"]
    assert order == [make(t, a).trajectory.seed for t in range(0, 64, 2) if t % 13 != 7 for a in range(3)]


def test_what_waits_is_bounded_however_many_domains_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.storage import dataset

    monkeypatch.setattr(dataset, "_WAITING", 50_000)
    held = []
    write = dataset.DatasetWriter._write
    waiting = dataset.DatasetWriter._to_batches

    def watched(self: Any) -> None:
        waiting(self)
        held.append(sum(b.nbytes for batches in self._batches.values() for b in batches))

    monkeypatch.setattr(dataset.DatasetWriter, "_to_batches", watched)
    run(tmp_path / "run", record, tasks=200, attempts=2)
    assert write is dataset.DatasetWriter._write
    assert len(held) > 3
    assert max(held) <= 50_000
    assert sum(1 for _ in read_rows(tmp_path / "run")) == 2 * (200 - 15)


def test_a_failure_while_publishing_leaves_the_old_dataset(tmp_path: Path) -> None:
    run(tmp_path / "run", tasks=32)
    before = list(read_rows(tmp_path / "run"))
    with opened(tmp_path / "run") as folder:
        fill(folder, 40, 2, mixed)
        (file,) = (tmp_path / "run" / "verdicts").glob("00001-*.parquet")
        good = file.read_bytes()
        file.write_bytes(good[:-1] + b"x")
        with pytest.raises(BadInput, match=r"verdicts/00001"):
            publish(folder, config(), categories=CATEGORIES)
        assert list(read_rows(tmp_path / "run")) == before
        assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".dataset")]
        file.write_bytes(good)
        assert publish(folder, config(), categories=CATEGORIES).accepted == 49


def test_a_killed_swap_gives_the_old_dataset_back_even_if_publishing_fails_again(tmp_path: Path) -> None:
    run(tmp_path / "run", tasks=32)
    before = list(read_rows(tmp_path / "run"))
    (tmp_path / "run" / "dataset").rename(tmp_path / "run" / ".dataset-old")  # as a kill between the renames leaves it
    with opened(tmp_path / "run") as folder:
        fill(folder, 40, 2, mixed)
        next((tmp_path / "run" / "verdicts").glob("00001-*.parquet")).unlink()
        with pytest.raises(BadInput, match=r"verdicts/00001"):
            publish(folder, config(), categories=CATEGORIES)
    assert list(read_rows(tmp_path / "run")) == before


def test_a_damaged_dataset_file_is_named(tmp_path: Path) -> None:
    run(tmp_path / "run")
    (file,) = dataset_files(tmp_path / "run")["accepted"]
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BadInput, match=r"accepted/domain=toy/part-00000\.parquet"):
        list(read_rows(tmp_path / "run"))
    (tmp_path / "new").mkdir()
    with pytest.raises(BadInput, match="no dataset yet"):
        dataset_files(tmp_path / "new")


def test_the_card_names_every_column_and_the_funnel(tmp_path: Path) -> None:
    run(tmp_path / "run")
    text = (tmp_path / "run" / "README.md").read_text()
    assert " ".join(COLUMNS).split() == dataset_schema().names
    for part in (
        "# run: tool-use trajectories",
        "49 accepted and 25 rejected",
        "| near_duplicate | row | 55 | 49 |",
        "seed 0",
    ):
        assert part in text


def test_provenance_says_who_and_what_made_the_rows(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 4, 1)
        publish(folder, config(), categories=CATEGORIES, provenance={"sampling": {"temperature": 0.6}})
    (provenance,) = {row["provenance"] for row in read_rows(tmp_path / "run", columns=["provenance"])}
    found = json.loads(provenance)
    assert found["version"] == "0.1"
    assert found["models"] == {"agent": "expert:mistakes=0.2", "user": "scripted", "judge": "program"}
    assert found["sampling"] == {"temperature": 0.6}
    assert (tmp_path / "run" / "inputs" / found["inputs"]).is_dir()


def test_nothing_of_pyarrow_or_duckdb_is_loaded_before_it_is_needed() -> None:
    import subprocess
    import sys

    asks = "import sys, pipeline.publish; print(*{'pyarrow', 'duckdb', 'rensa'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.split() == []


def test_readers_see_a_run_while_it_is_held(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 4, 1)
        publish(folder, config(), categories=CATEGORIES)
        assert len(list(RunFolder.read(tmp_path / "run").read_committed())) == 1
