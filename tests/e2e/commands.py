"""Runs made and looked at from outside, as a person does: by commands, processes and the files they leave.

What is read of a run here is read without the project's own readers, so that a reader and a writer that err alike are
found. Processes are ended by their id, and waited for by descriptors of them, never by sleeping.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests" / "toy"
GUARD = 300  # seconds; ten times what the longest command takes: a guard against hanging, no claim
SIDES = ("accepted", "rejected")

Row = dict[str, Any]


class Answer(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def generate(out: Path, tasks: int, attempts: int, *more: str, domain: Path | str = TOY) -> list[str]:
    """The arguments that make a run."""
    size = ["--tasks", str(tasks), "--attempts", str(attempts)]
    return ["generate", "--domain", str(domain), *size, "--out", str(out), *more]


def start(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    prepare: Any = None,
    stdout: Any = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own. `prepare` is called in the child."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "160", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> Answer:
    """Wait for a command."""
    try:
        out, err = process.communicate(timeout=GUARD)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Answer(process.returncode, out or "", err)


def command(*arguments: str, env: Mapping[str, str] | None = None, prepare: Any = None) -> Answer:
    """Run a command to its end."""
    return end(start(arguments, env=env, prepare=prepare))


def succeed(*arguments: str, env: Mapping[str, str] | None = None) -> Answer:
    """Run a command that must end with 0."""
    answer = command(*arguments, env=env)
    assert answer.code == 0, answer
    return answer


# ---------------------------------------------------------------- processes


def children(pid: int) -> list[int]:
    """The processes that a process started and that still live."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


class Watched:
    """Processes that are not ours, held by descriptors: an id may be given again, a descriptor may not."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._held: dict[int, int] = {}
        for pid in pids:
            try:
                self._held[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                continue

    def gone(self, seconds: float) -> bool:
        """Whether all of them end within so many seconds."""
        waiting = select.poll()
        for descriptor in self._held.values():
            waiting.register(descriptor, select.POLLIN)
        left = set(self._held.values())
        while left:
            ready = waiting.poll(seconds * 1000)
            if not ready:
                return False
            for descriptor, _ in ready:
                waiting.unregister(descriptor)
                left.discard(descriptor)
        return True

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)


def kill(process: subprocess.Popen[str], watched: Iterable[int] | None = None) -> None:
    """SIGKILL a command; its workers must die with it, soon, by themselves."""
    with Watched(children(process.pid) if watched is None else watched) as workers:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert workers.gone(30), "a worker outlives its parent"


# ---------------------------------------------------------------- what a run folder holds


def rows(run: Path, side: str) -> list[Row]:
    """The published rows of one side, all columns, in their order."""
    files = sorted((run / "dataset" / side).glob("domain=*/*.parquet"))
    assert files, f"{run} has no {side} files"
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def published(run: Path) -> dict[str, Any]:
    """Everything that the same seed must make the same: rows of both sides and the funnel."""
    sides: dict[str, Any] = {side: rows(run, side) for side in SIDES}
    return {**sides, "funnel": json.loads((run / "funnel.json").read_text())}


def assert_same(run: Path, other: dict[str, Any]) -> None:
    """That a run published exactly this; on failure says which row and column differ first."""
    mine = published(run)
    for side in SIDES:
        ids = [row["episode_id"] for row in mine[side]]
        assert ids == [row["episode_id"] for row in other[side]], f"{side}: other episodes, or another order"
        assert len(ids) == len(set(ids)), f"{side}: an episode is there twice"
        for one, two in zip(mine[side], other[side], strict=True):
            assert one.keys() == two.keys()
            differing = [column for column in one if one[column] != two[column]]
            assert not differing, f"{side} {one['episode_id']}: {differing}"
    assert mine["funnel"] == other["funnel"]


def sealed(run: Path) -> dict[str, str]:
    """Hash of each commit and of each file that a commit names, by path in the run."""
    found = {}
    for commit in sorted((run / "_commits").glob("*.json")):
        names = [str(commit.relative_to(run))]
        names += [file["path"] for file in json.loads(commit.read_bytes())["files"].values()]
        for name in names:
            found[name] = sha256((run / name).read_bytes()).hexdigest()
    return found


def finished(run: Path) -> set[tuple[int, int]]:
    """(task, attempt) of every episode that the run holds, sealed or in a journal."""
    found: set[tuple[int, int]] = set()
    for commit in (run / "_commits").glob("*.json"):
        file = run / json.loads(commit.read_bytes())["files"]["trajectories"]["path"]
        table = pq.ParquetFile(file).read(["task_index", "attempt"])
        found |= {(row["task_index"], row["attempt"]) for row in table.to_pylist()}
    for journal in (run / "_journal").glob("*.jsonl"):
        for line in journal.read_bytes().split(b"\n")[:-1]:
            try:
                entry = json.loads(line)["entry"]
            except (ValueError, KeyError):
                continue
            if entry["kind"] == "record":
                found.add((entry["payload"]["index"], entry["payload"]["attempt"]))
    return found


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """(inode, size, time of change) of every file and folder below one."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
        for path in [folder, *sorted(folder.rglob("*"))]
    }
