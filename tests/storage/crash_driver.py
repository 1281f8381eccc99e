"""Works on a run, and dies: run as a script by test_crash.py, in a process of its own that is small enough to fork.

    python tests/storage/crash_driver.py random FOLDER KILLS   kills at random moments, until KILLS were survived
    python tests/storage/crash_driver.py steps FOLDER          a kill before (or in the middle of) each file operation
    python tests/storage/crash_driver.py limited FOLDER BYTES  one command under a limit on the size of files

Prints one line of JSON that says what came of it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet  # noqa: F401  loaded before forking, so that a child begins at once
import rensa  # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipeline.errors import BadInput, Incomplete
from pipeline.publish import publish
from pipeline.storage.dataset import read_rows
from tests.storage.builders import config, dropped, opened, record, records, seal

TASKS, ATTEMPTS = 70, 2
OPERATIONS = ("open", "write", "rename", "link", "unlink", "mkdir", "rmdir", "ftruncate")


def command(path: Path, tasks: int, attempts: int) -> int:
    """What `generate` does on disk: journal, seal, publish. Returns how many episodes the journals gave back."""
    recovered = 0
    with opened(path, tasks=tasks, attempts=attempts) as folder:
        for work in folder.remaining(tasks, attempts):
            have = {(e.payload["task"], e.payload["attempt"]) for e in folder.recover(work) if e.kind == "episode"}
            recovered += len(have)
            with folder.journal(work, group=8) as journal:
                for task in work.tasks:
                    for attempt in work.attempts:
                        if (task, attempt) not in have and not dropped(task):
                            made = record(task, attempt).model_dump(mode="json")
                            journal.append("episode", {"task": task, "attempt": attempt, "record": made})
            seal(folder, work)
        publish(folder, config(tasks=tasks, attempts=attempts), categories={"toy": "test"})
    return recovered


def contents(path: Path) -> tuple[list[str], list[str]]:
    with opened(path) as folder:
        committed = [r.model_dump_json() for r in records(folder)]
    return committed, [json.dumps(row, sort_keys=True) for row in read_rows(path)]


def child(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def die_at(operation: int) -> None:
    """Make this process kill itself before its n-th file operation from now; a write is done by half."""
    count = 0

    def dying(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == operation:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])  # type: ignore[call-overload, arg-type]
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in OPERATIONS:
        setattr(os, name, dying(name))


def random_kills(path: Path, kills: int) -> dict[str, object]:
    reference = path.with_name("reference")
    command(reference, TASKS, ATTEMPTS)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    chance = random.Random()
    killed = finished = recovered = 0
    while killed < kills:
        pid = child(lambda: command(path, TASKS, ATTEMPTS))
        if signal.sigtimedwait({signal.SIGCHLD}, chance.uniform(0.001, 0.25)) is None:
            os.kill(pid, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        signal.sigtimedwait({signal.SIGCHLD}, 0)  # of a child that was killed
        recovered += any((path / "_journal").glob("*.jsonl"))
        if (path / "dataset").exists():
            list(read_rows(path))
            if not list((path / "_journal").glob("*")):  # done: begin anew, there are kills left
                finished += 1
                assert contents(path) == contents(reference)
                shutil.rmtree(path)
    command(path, TASKS, ATTEMPTS)
    return {"same": contents(path) == contents(reference), "kills": killed, "finished": finished, "journals": recovered}


def stepwise_kills(path: Path) -> dict[str, object]:
    """A small run is extended and dies at each step of it in turn; then the same command is run to its end."""
    start, reference = path.with_name("start"), path.with_name("reference")
    command(start, 2, 1)
    shutil.copytree(start, reference)
    command(reference, 2, 2)
    expected, old = contents(reference), contents(start)[1]
    step, wrong, between = 0, [], 0
    while True:
        step += 1
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(start, path)

        def dies(step: int = step) -> None:
            die_at(step)
            command(path, 2, 2)

        status = os.waitpid(child(dies), 0)[1]
        if not os.WIFSIGNALED(status):
            assert status == 0, status
            break
        try:
            seen = [json.dumps(row, sort_keys=True) for row in read_rows(path)]
            if seen not in (old, expected[1]):
                wrong.append(f"step {step}: a reader saw {len(seen)} rows")
        except BadInput:
            between += 1  # between the two renames there is none, which is said
        command(path, 2, 2)
        if contents(path) != expected:
            wrong.append(f"step {step}: the resumed run differs")
        left = [str(p) for p in path.rglob("*") if p.name.startswith(".") and p.name != ".lock"]
        if left or list((path / "_journal").iterdir()):
            wrong.append(f"step {step}: {left} is left")
    return {"steps": step - 1, "wrong": wrong, "between": between}


def limited(path: Path, limit: int) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        command(path, TASKS, ATTEMPTS)
        said = None
    except Incomplete as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    sealed = len(list((path / "_commits").glob("*.json")))
    return {"said": said, "sealed": sealed, "recovered": command(path, TASKS, ATTEMPTS), "rows": len(contents(path)[1])}


if __name__ == "__main__":
    os.fsync = os.fdatasync = lambda descriptor: None  # type: ignore[assignment]  # only a power cut, not a kill, needs them
    mode, folder, *numbers = sys.argv[1:]
    runs = {"random": random_kills, "steps": stepwise_kills, "limited": limited}
    print(json.dumps(runs[mode](Path(folder), *map(int, numbers))))  # type: ignore[operator]
