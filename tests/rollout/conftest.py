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

Find = Callable[[str], tuple[Task, World]]


@pytest.fixture(scope="session")
def recipe(toy: Path) -> Recipe:
    config, inputs = gather_inputs(RunConfig(domains=(str(toy),), agent="expert"))
    return Recipe(config, inputs)


@pytest.fixture(scope="session")
def find(recipe: Recipe) -> Find:
    """The first task whose first goal is this intent."""
    worlds = Worlds(recipe)

    def first(intent: str) -> tuple[Task, World]:
        for i in range(400):
            task, world = make_task(recipe, worlds, i)
            if isinstance(task, Task) and world is not None and task.goals[0].intent == intent and len(task.goals) == 1:
                return task, world
        raise AssertionError(f"no task of {intent}")

    return first
