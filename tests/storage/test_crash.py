"""Killed at any instant, or out of disk: nothing half-written is read, and the same command ends with the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EPISODES = 2 * (70 - 5)  # five of the positions are dropped


def drive(mode: str, path: Path, *numbers: int) -> dict[str, Any]:
    driver = [sys.executable, "tests/storage/crash_driver.py", mode, str(path), *map(str, numbers)]
    answer = subprocess.run(driver, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_thirty_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    found = drive("random", tmp_path / "run", 30)
    assert found["same"]
    assert found["kills"] == 30
    assert found["journals"] > 0  # some of the kills came while a journal was open


def test_a_kill_at_every_file_operation_is_survived(tmp_path: Path) -> None:
    found = drive("steps", tmp_path / "run")
    assert found["wrong"] == []
    assert found["steps"] > 60
    assert found["between"] == 1  # the instant between the two renames of the swap


@pytest.mark.parametrize("limit", [0, 100, 3_000, 40_000])
def test_a_disk_that_fills_up_stops_the_command_and_the_next_one_goes_on(tmp_path: Path, limit: int) -> None:
    found = drive("limited", tmp_path / "run", limit)
    assert "cannot be written: File too large" in found["said"]
    assert "run the same command again" in found["said"]
    assert found["rows"] == EPISODES
    assert (found["recovered"] > 0) == (limit == 40_000)  # what a journal took before it was full is not done again
