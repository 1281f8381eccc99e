"""What more than one test room needs: the toy domain, and a small finished run of it, made as a person would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of all commands that tests start: the user's own stays as it is, and says nothing."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLWORLDS_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def toy() -> Path:
    """The folder of the toy domain: complete and small."""
    return ROOT / "tests" / "toy"


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Path:
    """A finished run of 24 toy tasks, two attempts each, some with planted mistakes. Read it; never write into it."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    size = ["--tasks", "24", "--attempts", "2", "--model", "expert:mistakes=0.4"]
    generate = [sys.executable, "-m", "pipeline", "generate", "--domain", str(toy), *size, "--out", str(out)]
    answer = subprocess.run(generate, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return out
