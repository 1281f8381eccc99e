"""The run folder: who may work in it, what is still to be done, and what is done.

One process holds the folder (a lock that dies with its holder); the workers that it starts attach to it; readers need
neither. `run.json` says what the run is; a folder of another config is refused, so that two kinds of rows never mix.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType

from engine.types import Answered
from pipeline.config import RunConfig
from pipeline.errors import BadInput
from pipeline.storage import commits
from pipeline.storage.commits import STAGES, Commit
from pipeline.storage.completions import write_completions
from pipeline.storage.files import remove_parts, write_atomic, writing
from pipeline.storage.inputs import file_hashes, read_inputs, write_inputs
from pipeline.storage.journal import GROUP, Entry, Journal, read_journal
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_file import RunFile, another_run, read_run_file
from pipeline.storage.work import Work, remaining, uncovered
from pipeline.types import DroppedTask, Task
from pipeline.verdicts import Admission, Record

LOCK = ".lock"
_OURS = {LOCK, "inputs"}  # what a run folder holds when a kill came before run.json was written


@dataclass(frozen=True)
class CommittedShard:
    """What is done of one work shard; `records` reads the judged episodes by (task, attempt), one at a time."""

    index: int
    tasks: tuple[Task, ...]
    dropped: tuple[DroppedTask, ...]
    _run: Path
    _commits: tuple[Commit, ...]

    def records(self) -> Iterator[Record]:
        tasks = {task.index: task for task in self.tasks}
        streams = [commits.read_records(self._run, commit, tasks) for commit in self._commits]
        return heapq.merge(*streams, key=lambda record: (record.task.index, record.trajectory.attempt))


class RunFolder:
    """A run on disk. Made by `open` (the one that works), `attach` (its workers) or `read` (anyone)."""

    def __init__(self, path: Path, file: RunFile, lock: int | None) -> None:
        self.path, self._file, self._lock = path, file, lock
        self._ledger: Ledger | None = None

    # ------------------------------------------------------------ coming in

    @classmethod
    def open(
        cls,
        path: Path,
        config: RunConfig,
        fingerprint: str,
        inputs: Mapping[str, bytes],
        versions: Mapping[str, str] | None = None,
    ) -> RunFolder:
        """Create the folder, or take up the work in it, and hold it until `close` or the end of the process.

        inputs: the files that rows depend on, by relative path. versions: of the code, to be shown when they differ.
        Raises BadInput when the folder is another run's or nobody's, is held by another process, cannot be written,
        or lacks a file that a commit names; Incomplete when the disk is full.
        """
        path = path.absolute()
        wanted = RunFile(
            config=config, fingerprint=fingerprint, versions=dict(versions or {}), inputs=file_hashes(inputs)
        )
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path)
        lock = _hold(path)
        try:
            found = read_run_file(path) if (path / "run.json").exists() else None
            if found is not None and found.fingerprint != fingerprint:
                if _holds_work(path, found.fingerprint):
                    raise another_run(path, found, wanted)
                found = None  # it failed before anything came of it: whoever mended the cause may start again
            _clean(path)
            write_inputs(path, inputs)
            if found is not None:
                wanted = found.model_copy(update={"config": config})
            if wanted != found:
                write_atomic(path / "run.json", wanted.model_dump_json(indent=1).encode())
            with writing(path):  # after run.json: until it is there, only `_OURS` shows that the folder is ours
                for name in ("_journal", "_commits", *STAGES):
                    (path / name).mkdir(exist_ok=True)
            folder = cls(path, wanted, lock)
            for commit in (done := folder.commits()):
                commits.check_files(path, commit)
            folder._remove_unnamed(done)
            folder._remove_finished_journals()
        except BaseException:
            os.close(lock)
            raise
        return folder

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """A run to look at. Raises BadInput when there is none, or its run.json cannot be read."""
        path = path.absolute()
        if not (path / "run.json").is_file():
            remedy = "Give the folder that `toolworlds generate` wrote, for example runs/travel."
            raise BadInput("there is no run in this folder", where=str(path), remedy=remedy)
        return cls(path, read_run_file(path), None)

    attach = read  # a worker may seal and journal too: its parent holds the folder, and commits decide who was first

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lock_descriptors(self) -> tuple[int, ...]:
        """What a worker process must inherit, so that the folder stays held while it lives."""
        return () if self._lock is None else (self._lock,)

    # ------------------------------------------------------------ what it is

    @property
    def config(self) -> RunConfig:
        return self._file.config

    @property
    def fingerprint(self) -> str:
        return self._file.fingerprint

    @property
    def versions(self) -> dict[str, str]:
        return self._file.versions

    @property
    def input_hashes(self) -> dict[str, str]:
        return self._file.inputs

    def inputs(self) -> dict[str, bytes]:
        """The input files as they were, checked. Raises BadInput when one is missing or changed."""
        return read_inputs(self.path, self._file.inputs)

    def ledger(self) -> Ledger:
        """The notes of this command; the same object every time."""
        if self._ledger is None:
            self._ledger = Ledger(self.path)
        return self._ledger

    # ------------------------------------------------------------ working

    def remaining(self, tasks: int, attempts: int) -> list[Work]:
        """What is asked and not done, in work-list order."""
        return remaining(tasks, attempts, self._done())

    def journal(self, work: Work, *, group: int | None = GROUP) -> Journal:
        """The journal of a piece of work, opened for appending (see `recover` for what earlier commands left)."""
        return Journal.open(self._journal_path(work), self.fingerprint, group=group)

    def recover(self, work: Work) -> list[Entry]:
        """Journal entries that earlier commands left for any part of this work, oldest piece first.

        They may reach beyond the work, when the run was asked for more before: take those that `work.covers`.
        """
        entries: list[Entry] = []
        for other in self._journals():
            if other.shard == work.shard and other.overlaps(work):
                entries += read_journal(self._journal_path(other), self.fingerprint).entries
        return entries

    def seal(
        self,
        work: Work,
        tasks: Sequence[Task],
        dropped: Sequence[DroppedTask],
        records: Sequence[Record],
        admissions: Mapping[int, Admission] | None = None,
    ) -> Commit:
        """Commit a finished piece of work, then remove its journal. Safe to call from a thread.

        `admissions`: what each task's verifier made of wrong and of right runs, by the task's index.

        Raises ValueError unless every position of the work is a drawn or a dropped task, and every drawn task has each
        attempt exactly once; Incomplete when the disk is full.
        """
        commit = commits.seal(self.path, self.fingerprint, work, tasks, dropped, records, admissions or {})
        self._journal_path(work).unlink(missing_ok=True)
        for file in self.kept_file(work).parent.glob(f"{self.kept_file(work).name}*"):  # SQLite keeps others beside it
            file.unlink(missing_ok=True)
        return commit

    def kept_file(self, work: Work) -> Path:
        """Where the completions of a piece of work are kept until it is sealed."""
        return self.path / "_journal" / f"{work.name}.completions"

    def keep_completions(self, work: Work, answered: Sequence[Answered]) -> None:
        """Write what models answered in a piece of work to completions/; a second time changes nothing."""
        write_completions(self.path / "completions" / f"{work.name}.parquet", answered)

    # ------------------------------------------------------------ reading

    def commits(self) -> list[Commit]:
        """Every commit, in work-list order."""
        return [commits.read_commit(self.path, work, self.fingerprint) for work in self._done()]

    def read_committed(self) -> Iterator[CommittedShard]:
        """What is done, shard by shard in work-list order; never more than one shard's tasks in memory.

        Raises BadInput when a file that a commit names is missing or changed, or when two commits disagree.
        """
        for shard, group in groupby(self.commits(), key=lambda commit: commit.work.shard):
            done = tuple(group)
            tasks: dict[int, Task] = {}
            dropped: dict[int, DroppedTask] = {}
            for commit in done:
                drawn, lost = commits.read_tasks(self.path, commit)
                dropped |= {task.index: task for task in lost}
                for task in drawn:
                    if tasks.setdefault(task.index, task) != task:
                        path = commits.commit_path(self.path, commit.work)
                        remedy = "Remove it and run the same command again: that part of the run is made anew."
                        raise BadInput(
                            f"task {task.index} differs from an earlier commit", where=str(path), remedy=remedy
                        )
            yield CommittedShard(
                shard,
                tuple(tasks[index] for index in sorted(tasks)),
                tuple(dropped[index] for index in sorted(dropped)),
                self.path,
                done,
            )

    def statuses(self) -> Iterator[tuple[str, str]]:
        """(domain, status) of every episode that is done: a cheap look over the whole run.

        A position from which a defect of the domain let no task come counts as `domain_defect` too.
        """
        for commit in self.commits():
            for row in commits.read_stage(self.path, commit, "tasks", ["domain", "drop_reason"]):
                if row["drop_reason"] == "domain_defect":
                    yield row["domain"], "domain_defect"
            for row in commits.read_stage(self.path, commit, "trajectories", ["domain", "status"]):
                yield row["domain"], row["status"]

    # ------------------------------------------------------------ inside

    def _done(self) -> list[Work]:
        names = (file.stem for file in (self.path / "_commits").glob("*.json"))
        return sorted(work for name in names if (work := Work.from_name(name)) is not None)

    def _journals(self) -> list[Work]:
        names = (file.stem for file in (self.path / "_journal").glob("*.jsonl"))
        return sorted(work for name in names if (work := Work.from_name(name)) is not None)

    def _journal_path(self, work: Work) -> Path:
        return self.path / "_journal" / f"{work.name}.jsonl"

    def _remove_unnamed(self, done: list[Commit]) -> None:
        """Stage files that a kill left between their rename and their commit."""
        named = {file.path for commit in done for file in commit.files.values()}
        for stage in STAGES:
            for file in (self.path / stage).glob("*.parquet"):
                if f"{stage}/{file.name}" not in named:
                    file.unlink()

    def _remove_finished_journals(self) -> None:
        done = self._done()
        for work in self._journals():
            if not uncovered(work, done):
                self._journal_path(work).unlink(missing_ok=True)


def _holds_work(path: Path, fingerprint: str) -> bool:
    """Whether anything was finished in a run's folder: a commit, or an episode in a journal."""
    journals = list((path / "_journal").glob("*.jsonl"))
    if any((path / "_commits").glob("*.json")) or any(read_journal(file, fingerprint).entries for file in journals):
        return True
    for file in journals:
        file.unlink()
    return False


def _refuse_foreign(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    if (
        names
        and "run.json" not in names
        and not (LOCK in names and all(n in _OURS or n.startswith(".part-") for n in names))
    ):
        remedy = "Choose another output folder (--out), or an empty one."
        raise BadInput("this folder is not empty and holds no run", where=str(path), remedy=remedy)


def _hold(path: Path) -> int:
    with writing(path):
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        remedy = "Wait for it to end, stop it, or choose another output folder (--out)."
        raise BadInput("another process is working in this run folder", where=str(path), remedy=remedy) from None
    except OSError as error:
        os.close(lock)
        remedy = "Choose an output folder on a file system with POSIX locks."
        raise BadInput(f"cannot be locked: {error.strerror}", where=str(path), remedy=remedy) from None
    return lock


def _clean(path: Path) -> None:
    with writing(path):
        for name in (".", "_journal", "_commits", *STAGES):
            remove_parts(path / name)
        shutil.rmtree(path / "inputs" / ".part-inputs.tmp", ignore_errors=True)
