"""What a long run must give back: nothing of a world outlives it. The whole claim is measured by `tests.bench`."""

from __future__ import annotations

import asyncio
import gc
import sqlite3

from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, episode_of, judge, make_task, play
from pipeline.types import Task
from tests.e2e.commands import TOY


def _connections() -> int:
    gc.collect()
    return sum(isinstance(thing, sqlite3.Connection) for thing in gc.get_objects())


def test_the_databases_of_a_world_go_with_it() -> None:
    config, inputs = gather_inputs(RunConfig(domains=(str(TOY),)))
    recipe = Recipe(config, inputs)
    assert recipe.makers  # compiled: what that opens is closed
    before = _connections()
    worlds = Worlds(recipe)

    async def several(task: Task, world: object) -> None:
        episodes = [play(recipe, episode_of(config, task, number), world) for number in range(6)]  # type: ignore[arg-type]
        for trajectory in await asyncio.gather(*episodes):
            judge(recipe, task, trajectory, world)  # type: ignore[arg-type]

    for index in range(0, 160, 16):
        task, world = make_task(recipe, worlds, index)
        if isinstance(task, Task):
            asyncio.run(several(task, world))
    del task, world
    kept = _connections() - before
    assert 0 < kept <= 4 * 8, "the worlds in use have a few databases each"
    del worlds
    assert _connections() == before
