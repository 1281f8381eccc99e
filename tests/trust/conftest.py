"""Toy tasks and the conversations that come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, episode_of, judge, make_task, play
from pipeline.types import Task, Trajectory
from pipeline.verdicts import Record
from pipeline.world import World


class Played(NamedTuple):
    """An episode of the careful expert with the scripted user."""

    task: Task
    world: World
    trajectory: Trajectory
    record: Record


Play = Callable[..., Played]


@pytest.fixture(scope="session")
def recipe(toy: Path) -> Recipe:
    config, inputs = gather_inputs(RunConfig(domains=(str(toy),), agent="expert"))
    return Recipe(config, inputs)


@pytest.fixture(scope="session")
def played(recipe: Recipe) -> Play:
    """The first episode of just these intents, of their own kind or of one that is made of them."""
    worlds = Worlds(recipe)

    def first(*intents: str, kind: str | None = None) -> Played:
        for i in range(600):
            task, world = make_task(recipe, worlds, i)
            if not isinstance(task, Task) or world is None or tuple(g.intent for g in task.goals) != intents:
                continue
            if task.kind == (kind or (task.goals[0].kind if len(intents) == 1 else "several")):
                trajectory = asyncio.run(play(recipe, episode_of(recipe.config, task, 0), world))
                return Played(task, world, trajectory, judge(recipe, task, trajectory, world))
        raise AssertionError(f"no task of {intents}")

    return first
