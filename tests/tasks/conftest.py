"""Toy worlds and edited copies of the toy domain."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import RunConfig
from pipeline.tasks import TaskMaker, load_personas
from pipeline.tasks.draw import Drawer
from pipeline.types import DroppedTask, Task
from pipeline.world import compile_domain, load_source, populate

Make = Callable[..., list[Task | DroppedTask]]


@pytest.fixture
def make(toy: Path, tmp_path: Path) -> Make:
    """Make the first tasks of the toy domain, or of a copy in which texts were replaced: (file, old, new)."""

    def tasks(
        count: int, *edits: tuple[str, str, str], kinds: dict[str, int] | None = None, seed: int = 0
    ) -> list[Task | DroppedTask]:
        folder = tmp_path / "toy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(toy, folder)
        for name, old, new in edits:
            text = (folder / name).read_text(encoding="utf-8")
            assert old in text, f"{name} does not hold {old!r}"
            (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        config = RunConfig(domains=("toy",), seed=seed, **({"kinds": kinds} if kinds else {}))
        maker = TaskMaker(compile_domain(load_source(folder)), config, load_personas())
        drawers: dict[int, Drawer] = {}
        out = []
        for i in range(count):
            world_seed = maker.world_seed(i)
            if world_seed not in drawers:
                drawers[world_seed] = Drawer(populate(maker.compiled, world_seed))
            out.append(maker.make(drawers[world_seed], i, i))
        return out

    return tasks
