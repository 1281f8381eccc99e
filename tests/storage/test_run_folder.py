"""A run folder is one run's, one process's at a time, and gives back exactly what was committed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import BadInput, Incomplete
from pipeline.identity import content_hash
from pipeline.storage.shards import RunFolder
from pipeline.types import DroppedTask
from tests.storage.builders import INPUTS, VERSIONS, config, dropped, fill, opened, record, records, seal, task

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_sealed_is_read_back_in_work_list_order(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 40, 2)
    folder = RunFolder.read(tmp_path / "run")
    assert list(records(folder)) == [record(t, a) for t in range(40) if not dropped(t) for a in range(2)]
    shards = list(folder.read_committed())
    assert [shard.index for shard in shards] == [0, 1]
    assert [lost.index for shard in shards for lost in shard.dropped] == [7, 20, 33]
    assert folder.remaining(40, 2) == []
    assert list(folder.statuses()) == [("toy", "ok")] * 74


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(1, 70), st.integers(1, 3)), min_size=1, max_size=3))
def test_extended_in_steps_a_run_holds_what_it_would_at_once(steps: list[tuple[int, int]], tmp_path: Path) -> None:
    grown = tmp_path / content_hash(steps)
    for tasks, attempts in [*steps, (70, 3)]:
        with opened(grown, tasks=tasks, attempts=attempts) as folder:
            fill(folder, tasks, attempts)
    found = [(r.task.index, r.trajectory.attempt) for r in records(RunFolder.read(grown))]
    assert found == [(t, a) for t in range(70) if not dropped(t) for a in range(3)]


def test_the_inputs_are_kept_as_they_were(tmp_path: Path) -> None:
    opened(tmp_path / "run").close()
    folder = RunFolder.read(tmp_path / "run")
    assert folder.inputs() == INPUTS
    (kept,) = (tmp_path / "run" / "inputs").iterdir()
    (kept / "domains/toy/domain.yaml").write_bytes(b"name: toys\n")
    with pytest.raises(BadInput, match=r"domain\.yaml: is not what it was"):
        folder.inputs()
    (kept / "domains/toy/domain.yaml").unlink()
    with pytest.raises(BadInput, match=r"domain\.yaml"):
        folder.inputs()


def test_an_input_outside_its_folder_is_a_bug_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside its folder"):
        RunFolder.open(tmp_path / "run", config(), "f", {"../evil": b""})
    assert not (tmp_path / "run" / "evil").exists()


def test_a_run_that_came_to_nothing_gives_way_to_another_config(tmp_path: Path) -> None:
    with opened(tmp_path / "run", "f1") as folder:
        (work,) = folder.remaining(4, 1)
        folder.journal(work).close()  # opened, and nothing written: the cause of the failure came first
    with opened(tmp_path / "run", "f2") as folder:
        fill(folder, 4, 1)
        assert [r.task.index for r in records(folder)] == [0, 1, 2, 3]
    with pytest.raises(BadInput, match="other settings"):
        opened(tmp_path / "run", "f1")


def test_a_run_with_an_unsealed_episode_does_not_give_way(tmp_path: Path) -> None:
    with opened(tmp_path / "run", "f1") as folder:
        (work,) = folder.remaining(4, 1)
        with folder.journal(work) as journal:
            journal.append("record", {"index": 0, "attempt": 0})
    with pytest.raises(BadInput, match="other settings"):
        opened(tmp_path / "run", "f2")


def test_another_config_is_refused_with_every_difference(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with opened(path) as folder:
        fill(folder, 4, 1)
    changed = INPUTS | {"rubrics/core.yaml": b"name: other\n"}
    with pytest.raises(BadInput) as caught:
        RunFolder.open(path, config(seed=7, agent="expert"), "f2", changed, {"toolworlds": "0.2"})
    text = str(caught.value)
    for line in (
        "seed: 0 there, 7 now",
        "agent: expert:mistakes=0.2 there, expert now",
        "rubrics/core.yaml: ",
        "toolworlds: 0.1 there, 0.2 now (version)",
    ):
        assert line in text
    assert "domains/toy/domain.yaml" not in text
    assert len(list(records(RunFolder.read(path)))) == 4


def test_tasks_attempts_and_workers_may_change(tmp_path: Path) -> None:
    opened(tmp_path / "run").close()
    with opened(tmp_path / "run", tasks=400, attempts=4, workers=3) as folder:
        assert folder.config.tasks == 400
    assert RunFolder.read(tmp_path / "run").config.attempts == 4


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    holder = (
        "import sys; from tests.storage.builders import opened; from pathlib import Path\n"
        "folder = opened(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / "run")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="another process is working"):
            opened(tmp_path / "run")
        RunFolder.read(tmp_path / "run")  # readers need no lock
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    opened(tmp_path / "run").close()


def test_the_same_folder_opens_once_in_one_process_too(tmp_path: Path) -> None:
    with opened(tmp_path / "run"), pytest.raises(BadInput, match="another process is working"):
        opened(tmp_path / "run")
    opened(tmp_path / "run").close()


def test_a_refused_folder_is_not_held(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 4, 1)
    with pytest.raises(BadInput, match="other settings"):
        opened(tmp_path / "run", fingerprint="f2")
    opened(tmp_path / "run").close()


def test_a_folder_that_is_not_empty_and_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty and holds no run"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/run")):
        with pytest.raises((BadInput, Incomplete)) as caught:
            opened(path)
        assert str(path) in str(caught.value)


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    who = os.geteuid()
    if who == 0:  # root may write everywhere: be nobody meanwhile
        os.seteuid(65534)
    try:
        with pytest.raises(BadInput, match="Permission denied"):
            opened(tmp_path / "run")
    finally:
        os.seteuid(who)
        tmp_path.chmod(0o700)


def test_a_foreign_run_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"name": "something else"}')
    with pytest.raises(BadInput, match=r"run\.json"):
        opened(tmp_path)
    with pytest.raises(BadInput, match="no run in this folder"):
        RunFolder.read(tmp_path / "nowhere")


@pytest.mark.parametrize("stage", ["tasks", "trajectories", "verdicts"])
@pytest.mark.parametrize("damage", ["missing", "longer", "changed"])
def test_a_lost_or_changed_file_is_named_with_the_remedy_and_made_again(
    tmp_path: Path, stage: str, damage: str
) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 40, 1)
    file = sorted((tmp_path / "run" / stage).glob("00000-*.parquet"))[0]
    data = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "longer":
        file.write_bytes(data + b"x")
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    with pytest.raises(BadInput, match=file.name) as caught:  # what only its content shows is found when it is read
        with opened(tmp_path / "run") as folder:
            list(records(folder))
    (commit,) = (tmp_path / "run" / "_commits").glob("00000-*.json")
    assert str(commit) in caught.value.remedy
    commit.unlink()
    with opened(tmp_path / "run") as folder:
        assert len(fill(folder, 40, 1)) == 1
        assert len(list(records(folder))) == 37


@pytest.mark.parametrize("damage", ["missing", "longer"])
def test_a_lost_file_is_found_when_the_folder_is_opened(tmp_path: Path, damage: str) -> None:
    with opened(tmp_path / "run") as folder:
        fill(folder, 4, 1)
    (file,) = (tmp_path / "run" / "verdicts").glob("*.parquet")
    data = file.read_bytes()
    file.unlink()
    if damage == "longer":
        file.write_bytes(data + b"x")
    with pytest.raises(BadInput, match="missing or not what was written"):
        opened(tmp_path / "run")


def test_a_commit_of_another_run_or_in_pieces_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as folder:
        fill(folder, 4, 1)
    with opened(tmp_path / "b", fingerprint="f2"):
        pass
    (commit,) = (tmp_path / "a" / "_commits").iterdir()
    (tmp_path / "b" / "_commits" / commit.name).write_bytes(commit.read_bytes())
    with pytest.raises(BadInput, match="belongs to another run"):
        opened(tmp_path / "b", fingerprint="f2")
    commit.write_bytes(commit.read_bytes()[:50])
    with pytest.raises(BadInput, match="cannot be read"):
        opened(tmp_path / "a")


def test_leftovers_are_no_data_and_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with opened(path) as folder:
        fill(folder, 40, 1)
        before = list(records(folder))
    (real,) = (path / "verdicts").glob("00000-*.parquet")
    left = [
        path / "verdicts" / ".part-00000-x.parquet-1-2.tmp",
        path / "_commits" / ".part-00009-t288-320-a0-1.json-1-2.tmp",
        path / "verdicts" / "00009-t288-320-a0-1-00000000.parquet",
    ]
    for file in left:
        file.write_bytes(real.read_bytes())
    assert list(records(RunFolder.read(path))) == before
    with opened(path) as folder:
        assert list(records(folder)) == before
    assert not [file for file in left if file.exists()]


def test_sealing_twice_keeps_the_first(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        (work,) = folder.remaining(4, 1)
        other = RunFolder.attach(tmp_path / "run")
        seal(folder, work)
        files = sorted(path.name for path in (tmp_path / "run").rglob("*.parquet"))
        seal(other, work, lambda t, a: record(t, a, said="Something else."))
        assert sorted(path.name for path in (tmp_path / "run").rglob("*.parquet")) == files
        assert [r.trajectory.messages[-1].content for r in records(folder)] == ["Done."] * 4


def test_who_comes_second_between_check_and_commit_takes_its_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.storage import commits

    with opened(tmp_path / "run") as folder:
        (work,) = folder.remaining(4, 1)
        exclusive = commits.write_exclusive

        def overtaken(path: Path, data: bytes) -> bool:
            monkeypatch.setattr(commits, "write_exclusive", exclusive)
            seal(RunFolder.attach(tmp_path / "run"), work)
            return exclusive(path, data)

        monkeypatch.setattr(commits, "write_exclusive", overtaken)
        seal(folder, work, lambda t, a: record(t, a, said="Late."))
        assert [r.trajectory.messages[-1].content for r in records(folder)] == ["Done."] * 4
        assert len(list((tmp_path / "run" / "trajectories").glob("*.parquet"))) == 1


def test_work_is_sealed_whole_or_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as folder:
        (work,) = folder.remaining(2, 2)
        tasks, rows = [task(0), task(1)], [record(t, a) for t in range(2) for a in range(2)]
        lost = [DroppedTask(index=1, domain="toy", reason="no_draw", detail="")]
        for drawn, gone, made in (
            (tasks, [], rows[:-1]),
            (tasks, [], [*rows, rows[0]]),
            (tasks[:1], [], rows[:2]),
            (tasks, lost, rows),
            (tasks[:1], lost, rows),
            (tasks, [], [*rows[:3], record(1, 2)]),
        ):
            with pytest.raises(ValueError, match=r"00000-t0-2-a0-2: "):
                folder.seal(work, drawn, gone, made)
        assert folder.remaining(2, 2) == [work]
        folder.seal(work, tasks[:1], lost, rows[:2])
        assert folder.remaining(2, 2) == []


def test_a_journal_is_recovered_by_larger_work_and_removed_when_sealed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with opened(path) as folder:
        (small,) = folder.remaining(4, 1)
        with folder.journal(small) as journal:
            journal.append("episode", record(2).model_dump(mode="json"))
    with opened(path) as folder:
        assert folder.remaining(6, 2)[0].covers(2, 0)
        (large,) = folder.remaining(6, 2)
        assert [entry.kind for entry in folder.recover(large)] == ["episode"]
        with folder.journal(large) as journal:
            journal.append("episode", record(3).model_dump(mode="json"))
        assert len(folder.recover(large)) == 2
        seal(folder, large)
        assert folder.remaining(6, 2) == []
    with opened(path):
        assert list((path / "_journal").iterdir()) == []


def test_versions_are_kept(tmp_path: Path) -> None:
    opened(tmp_path / "run").close()
    assert RunFolder.read(tmp_path / "run").versions == VERSIONS
