"""One toy task with its world, by kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, make_task
from pipeline.types import Task
from pipeline.world import World

Find = Callable[..., tuple[Task, World]]


@pytest.fixture(scope="session")
def recipe(toy: Path) -> Recipe:
    config, inputs = gather_inputs(RunConfig(domains=(str(toy),), agent="expert"))
    return Recipe(config, inputs)


@pytest.fixture(scope="session")
def find(recipe: Recipe) -> Find:
    """The first task of just this intent, of its own kind or of one that is made of it."""
    worlds = Worlds(recipe)

    def first(intent: str, kind: str | None = None) -> tuple[Task, World]:
        for i in range(400):
            task, world = make_task(recipe, worlds, i)
            if not isinstance(task, Task) or world is None or [goal.intent for goal in task.goals] != [intent]:
                continue
            if task.kind == (kind or task.goals[0].kind):
                return task, world
        raise AssertionError(f"no task of {intent}")

    return first
