"""Killed at random moments, again and again: the same command resumes, and what comes out is what would have come."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline.identity import Rng
from tests.e2e.commands import (
    Watched,
    assert_same,
    children,
    command,
    end,
    finished,
    generate,
    kill,
    sealed,
    stamps,
    start,
    succeed,
)
from tests.e2e.conftest import ATTEMPTS, TASKS, Clean


class Ledger:
    """What a run held after each kill: nothing of it may change or vanish later."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._sealed: dict[str, str] = {}
        self._finished: set[tuple[int, int]] = set()

    def look(self) -> None:
        now, done = sealed(self._run), finished(self._run)
        changed = [name for name, hash_ in self._sealed.items() if now.get(name) != hash_]
        assert not changed, f"sealed files changed or lost: {changed}"
        assert done >= self._finished, f"finished episodes lost: {sorted(self._finished - done)[:5]}"
        self._sealed, self._finished = now, done


def storm(folder: Path, clean: Clean, kills: int, workers: int, seed: int) -> None:
    """Kill `kills` times over as many runs as that takes; each run ends complete and equal to the clean one.

    The moments are spread over the whole of what a run takes, start-up and publishing included. With workers, every
    second kill strikes one of them instead of the parent.
    """
    rng, struck, number = Rng(seed), 0, 0
    while struck < kills:
        run = folder / f"run{number}"
        number += 1
        arguments = generate(run, TASKS, ATTEMPTS, "--workers", str(workers))
        ledger = Ledger(run)
        while True:
            process = start(arguments)
            try:
                out, err = process.communicate(timeout=clean.seconds * rng.below(1000) / 1000)
            except subprocess.TimeoutExpired:
                struck += 1
                _strike(process, rng if workers > 1 and struck % 2 else None)
                ledger.look()
                if struck >= kills:
                    break
                continue
            assert process.returncode == 0, (out, err)
            ledger.look()
            break
        succeed(*arguments)
        ledger.look()
        assert_same(run, clean.content)


def _strike(process: subprocess.Popen[str], rng: Rng | None) -> None:
    """Kill the parent, or (with `rng`) one of its workers, upon which the parent gives up in good order."""
    workers = children(process.pid)
    if rng is None or not workers:
        kill(process, workers)
        return
    with Watched(workers) as watched:
        os.kill(rng.choice(workers), signal.SIGKILL)
        answer = end(process)
        assert "Traceback" not in answer.err
        # 0: the worker had finished its work already. Else what happened, and what to do, is said.
        assert answer.code == 0 or (answer.code == 3 and "resumes" in answer.err), answer
        assert watched.gone(30), "a worker outlives its parent"


def test_kills_of_the_process(clean: Clean, tmp_path: Path) -> None:
    storm(tmp_path, clean, kills=5, workers=1, seed=20)


def test_kills_of_the_parent_and_of_workers(clean: Clean, tmp_path: Path) -> None:
    storm(tmp_path, clean, kills=3, workers=2, seed=21)


@pytest.mark.verify
@pytest.mark.parametrize("workers", [1, 3])
def test_thirty_kills(clean: Clean, tmp_path: Path, workers: int) -> None:
    storm(tmp_path, clean, kills=30, workers=workers, seed=30 + workers)


def test_a_second_command_is_refused_while_one_works(tmp_path: Path) -> None:
    arguments = generate(tmp_path / "run", 2000, 2, "--workers", "2")
    first = start(arguments)
    try:
        assert first.stdout is not None
        assert "episodes to do" in first.stdout.readline()
        second = command(*arguments)
        assert second.code == 2
        assert "another process is working in this run folder" in second.err and str(tmp_path / "run") in second.err
        assert "Traceback" not in second.err
        assert first.poll() is None, "the first one goes on"
    finally:
        kill(first)


def test_a_complete_run_says_so_and_touches_nothing(clean: Clean) -> None:
    before = stamps(clean.path / "dataset"), sealed(clean.path), stamps(clean.path / "inputs")
    files = {name: (clean.path / name).stat().st_mtime_ns for name in ("run.json", "funnel.json", "README.md")}
    answer = succeed(*generate(clean.path, TASKS, ATTEMPTS))
    assert "is complete" in answer.out
    assert before == (stamps(clean.path / "dataset"), sealed(clean.path), stamps(clean.path / "inputs"))
    assert files == {name: (clean.path / name).stat().st_mtime_ns for name in files}
