"""Toy tasks on their test stands, over the toy domain or an edited copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.check.stand import Stand
from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, make_task
from pipeline.types import Task


class Drawn(NamedTuple):
    """A task and the stand on which it is tried."""

    task: Task
    stand: Stand

    @property
    def intents(self) -> list[str]:
        return [goal.intent for goal in self.task.goals]


Draw = Callable[..., list[Drawn]]


def drawn(recipe: Recipe, count: int) -> Iterator[Drawn]:
    """The first tasks of a run."""
    worlds = Worlds(recipe)
    for index in range(count):
        task, _ = make_task(recipe, worlds, index)
        if isinstance(task, Task):
            yield Drawn(task, worlds.stand(task))


@pytest.fixture(scope="session")
def toy_tasks(toy: Path) -> list[Drawn]:
    """Sixty tasks of the toy domain, of every kind."""
    return list(drawn(Recipe(*gather_inputs(RunConfig(domains=(str(toy),), agent="expert"))), 60))


@pytest.fixture
def edited(toy: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the toy domain in which texts were replaced: (file, old, new)."""

    def folder(*edits: tuple[str, str, str]) -> Path:
        copy = tmp_path / "toy"
        shutil.copytree(toy, copy)
        for name, old, new in edits:
            text = (copy / name).read_text(encoding="utf-8")
            assert old in text, f"{name} does not hold {old!r}"
            (copy / name).write_text(text.replace(old, new), encoding="utf-8")
        return copy

    return folder


@pytest.fixture
def draw(edited: Callable[..., Path]) -> Draw:
    """The first tasks of an edited copy of the toy domain that have just this intent."""

    def tasks(intent: str, *edits: tuple[str, str, str], count: int = 100) -> list[Drawn]:
        recipe = Recipe(*gather_inputs(RunConfig(domains=(str(edited(*edits)),), agent="expert")))
        found = [one for one in drawn(recipe, count) if one.intents == [intent]]
        assert found, f"no task of {intent}"
        return found

    return tasks
