"""One clean run that many tests compare with."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import pytest

from tests.e2e.commands import generate, published, succeed

TASKS, ATTEMPTS = 70, 2  # three shards, the last of them short


class Clean(NamedTuple):
    """A run that nothing disturbed: its folder, what it published, and how long it took (seconds)."""

    path: Path
    content: dict[str, Any]
    seconds: float


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """70 tasks, two attempts each, in one process. Read it; never write into it."""
    out = tmp_path_factory.mktemp("clean") / "run"
    began = perf_counter()
    succeed(*generate(out, TASKS, ATTEMPTS))
    return Clean(out, published(out), perf_counter() - began)
