"""What is done: commit files, and the three Parquet files that each of them names.

A shard is sealed in this order: each stage's file is written whole under a temporary name, made durable and renamed;
last, a small commit file that names them comes into being in one step. Readers start from the commits, so a file that
no commit names does not exist for them, and a kill at any instant leaves the shard either done or undone. Two workers
that seal the same work (a scheduler's retry) cannot both win: the second finds the commit and takes its files back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.types import Frozen
from pipeline.errors import BadInput
from pipeline.identity import content_hash
from pipeline.storage.files import write_atomic, write_exclusive
from pipeline.storage.work import Work
from pipeline.types import DroppedTask, Task, Trajectory
from pipeline.verdicts import Admission, Record, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

STAGES = ("tasks", "trajectories", "verdicts")
_AT_ONCE = 16  # rows that are decoded together: enough to be fast, few enough to cost nothing


class StageFile(Frozen):
    """A file of a commit, by its path in the run folder."""

    path: str
    rows: int
    size: int  # bytes
    content: str  # hash


class Commit(Frozen):
    """One piece of work that is done."""

    format: int = 1
    fingerprint: str
    name: str
    tasks: int
    dropped: int
    episodes: int
    files: dict[str, StageFile]

    @property
    def work(self) -> Work:
        work = Work.from_name(self.name)
        assert work is not None, self.name
        return work


def commit_path(run: Path, work: Work) -> Path:
    return run / "_commits" / f"{work.name}.json"


def seal(
    run: Path,
    fingerprint: str,
    work: Work,
    tasks: Sequence[Task],
    dropped: Sequence[DroppedTask],
    records: Sequence[Record],
    admissions: Mapping[int, Admission],
) -> Commit:
    """Make a piece of work durable and visible, whole. Sealing it a second time changes nothing.

    `admissions`: by task index, of tasks and of dropped ones that came so far.

    Raises ValueError when tasks and dropped tasks are not exactly the work's positions, or when a drawn task lacks an
    attempt or has one twice; Incomplete when the disk is full.
    """
    _check_complete(work, tasks, dropped, records)
    if commit_path(run, work).exists():
        return read_commit(run, work, fingerprint)
    records = sorted(records, key=_place)
    batches = {
        "tasks": sorted(
            (row | _admission_cells(admissions.get(row["task_index"])) for row in _task_rows(tasks, dropped)),
            key=lambda row: row["task_index"],
        ),
        "trajectories": [_trajectory_row(record) for record in records],
        "verdicts": [_verdict_row(record) for record in records],
    }
    files = {}
    for stage in STAGES:
        data = _parquet(stage, batches[stage])
        content = content_hash(data)
        path = f"{stage}/{work.name}-{content[:8]}.parquet"
        write_atomic(run / path, data)
        files[stage] = StageFile(path=path, rows=len(batches[stage]), size=len(data), content=content)
    commit = Commit(
        fingerprint=fingerprint,
        name=work.name,
        tasks=len(tasks),
        dropped=len(dropped),
        episodes=len(records),
        files=files,
    )
    if not write_exclusive(commit_path(run, work), commit.model_dump_json().encode()):
        first = read_commit(run, work, fingerprint)
        named = {file.path for file in first.files.values()}
        for file in files.values():  # ours came second; the content hash in the name keeps the two apart
            if file.path not in named:
                (run / file.path).unlink(missing_ok=True)
        return first
    return commit


def _check_complete(
    work: Work, tasks: Sequence[Task], dropped: Sequence[DroppedTask], records: Sequence[Record]
) -> None:
    positions = sorted([task.index for task in tasks] + [task.index for task in dropped])
    if positions != list(work.tasks):
        raise ValueError(f"{work.name}: tasks and dropped tasks are {positions}, not each position once")
    asked = sorted((task.index, attempt) for task in tasks for attempt in work.attempts)
    made = sorted(map(_place, records))
    if asked != made:
        wrong = sorted(set(asked) ^ set(made)) or [place for place in made if made.count(place) > 1]
        raise ValueError(f"{work.name}: (task, attempt) {wrong[:5]} is missing, twice or outside of the work")


def _place(record: Record) -> tuple[int, int]:
    return record.task.index, record.trajectory.attempt


def _task_rows(tasks: Sequence[Task], dropped: Sequence[DroppedTask]) -> Iterator[dict[str, Any]]:
    yield from map(_task_row, tasks)
    yield from map(_dropped_row, dropped)


def _admission_cells(admission: Admission | None) -> dict[str, Any]:
    if admission is None:
        return dict.fromkeys(("mutants", "killed", "equivalent", "variants", "variants_accepted", "admission"))
    return {
        "mutants": admission.made,
        "killed": admission.killed,
        "equivalent": admission.equivalent,
        "variants": admission.tried,
        "variants_accepted": admission.accepted,
        "admission": admission.model_dump_json(),
    }


def _task_row(task: Task) -> dict[str, Any]:
    return {
        "task_index": task.index,
        "task_id": task.task_id,
        "domain": task.domain,
        "kind": task.kind,
        "difficulty": task.difficulty,
        "drop_reason": None,
        "drop_detail": None,
        "task": task.model_dump_json(by_alias=True),
    }


def _dropped_row(task: DroppedTask) -> dict[str, Any]:
    return {
        "task_index": task.index,
        "task_id": None,
        "domain": task.domain,
        "kind": None,
        "difficulty": None,
        "drop_reason": task.reason,
        "drop_detail": task.detail,
        "task": None,
    }


def _trajectory_row(record: Record) -> dict[str, Any]:
    return {
        "task_index": record.task.index,
        "attempt": record.trajectory.attempt,
        "episode_id": record.trajectory.episode_id,
        "domain": record.task.domain,
        "status": record.trajectory.status,
        "trajectory": record.trajectory.model_dump_json(by_alias=True),
    }


def _verdict_row(record: Record) -> dict[str, Any]:
    return {
        "task_index": record.task.index,
        "attempt": record.trajectory.attempt,
        "episode_id": record.trajectory.episode_id,
        "passed": record.verdict.passed,
        "score": record.verdict.score,
        "drop_reason": record.drop_reason,
        "verdict": record.verdict.model_dump_json(by_alias=True),
    }


def _parquet(stage: str, rows: Sequence[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.storage.schema import stage_schemas, to_batch

    sink = pa.BufferOutputStream()  # a shard is small; in memory it can be hashed before it is written
    table = pa.Table.from_batches([to_batch(rows, stage_schemas()[stage])])
    pq.write_table(table, sink, compression="zstd", compression_level=3, use_dictionary=False)
    return sink.getvalue().to_pybytes()


# ---------------------------------------------------------------- reading


def read_commit(run: Path, work: Work, fingerprint: str) -> Commit:
    """The commit of a piece of work. Raises BadInput when it is damaged or of another run."""
    path = commit_path(run, work)
    try:
        commit = Commit.model_validate_json(path.read_bytes())
    except (ValidationError, OSError):
        raise _lost(run, work, "this commit cannot be read", path) from None
    if commit.fingerprint != fingerprint or commit.name != work.name or set(commit.files) != set(STAGES):
        raise _lost(run, work, "this commit belongs to another run", path)
    return commit


def check_files(run: Path, commit: Commit) -> None:
    """That the files are there and have their size: cheap enough for every start. Raises BadInput."""
    for file in commit.files.values():
        with suppress(OSError):
            if (run / file.path).stat().st_size == file.size:
                continue
        raise _lost(run, commit.work, "is missing or not what was written", run / file.path)


def read_stage(run: Path, commit: Commit, stage: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of one stage of a commit, streamed; the whole file is checked against its hash first."""
    file = commit.files[stage]
    for batch in _batches(run, commit, file, columns):
        yield from batch.to_pylist()


def _batches(run: Path, commit: Commit, file: StageFile, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = (run / file.path).read_bytes()
    except OSError as error:
        raise _lost(run, commit.work, f"cannot be read ({error.strerror})", run / file.path) from None
    if content_hash(data) != file.content:
        raise _lost(run, commit.work, "is not what was written", run / file.path)
    yield from pq.ParquetFile(pa.BufferReader(data)).iter_batches(_AT_ONCE, columns=columns, use_threads=False)


def read_tasks(run: Path, commit: Commit) -> tuple[list[Task], list[DroppedTask]]:
    tasks: list[Task] = []
    dropped: list[DroppedTask] = []
    for row in read_stage(run, commit, "tasks"):
        if row["task"] is not None:
            tasks.append(Task.model_validate_json(row["task"]))
        else:
            index, domain = row["task_index"], row["domain"]
            dropped.append(
                DroppedTask(index=index, domain=domain, reason=row["drop_reason"], detail=row["drop_detail"])
            )
    return tasks, dropped


def read_records(run: Path, commit: Commit, tasks: dict[int, Task]) -> Iterator[Record]:
    """The judged episodes of a commit by (task, attempt), one at a time."""
    both = zip(read_stage(run, commit, "trajectories"), read_stage(run, commit, "verdicts"), strict=True)
    for trajectory, verdict in both:
        yield Record(
            task=tasks[trajectory["task_index"]],
            trajectory=Trajectory.model_validate_json(trajectory["trajectory"]),
            verdict=Verdict.model_validate_json(verdict["verdict"]),
            drop_reason=verdict["drop_reason"],
        )


def _lost(run: Path, work: Work, what: str, where: Path) -> BadInput:
    commit = commit_path(run, work)
    remedy = f"Remove {commit} and run the same command again: that part of the run is made anew."
    return BadInput(what, where=str(where), remedy=remedy)
