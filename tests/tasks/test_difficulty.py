"""Difficulty says how much a task demands: what the expert does for it grows with it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, episode_of, make_task, play
from pipeline.tasks.difficulty import demand
from pipeline.types import Task

TOY = str(Path(__file__).resolve().parents[1] / "toy")
TASKS = {TOY: 64, "banking": 48, "retail": 48, "travel": 48}  # by domain


class Effort(NamedTuple):
    task: Task
    calls: int
    messages: int


@pytest.fixture(scope="module")
def efforts() -> list[Effort]:
    """What the expert did for the first tasks of several domains."""
    out = []
    for domain, count in TASKS.items():
        config, inputs = gather_inputs(RunConfig(domains=(domain,), agent="expert"))
        recipe = Recipe(config, inputs)
        worlds = Worlds(recipe)
        for index in range(count):
            task, world = make_task(recipe, worlds, index)
            if isinstance(task, Task) and world is not None:
                trajectory = asyncio.run(play(recipe, episode_of(config, task, 0), world))
                out.append(Effort(task, len(trajectory.calls), trajectory.n_turns))
    assert len(out) >= 200
    return out


def ranks(values: Sequence[int]) -> list[float]:
    """The rank of each value; equal values share the mean of their ranks."""
    places = defaultdict(list)
    for place, value in enumerate(sorted(values)):
        places[value].append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def rank_correlation(one: Sequence[int], other: Sequence[int]) -> float:
    """Spearman's: the correlation of the ranks."""
    a, b = ranks(one), ranks(other)
    mean = (len(a) - 1) / 2
    spread = sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)
    return sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True)) / spread**0.5


def test_the_measure_itself_tells_agreement_from_its_opposite() -> None:
    assert rank_correlation([1, 2, 3, 9], [10, 20, 30, 31]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 9], [31, 30, 20, 10]) == pytest.approx(-1)
    assert abs(rank_correlation([1, 1, 2, 2], [1, 2, 1, 2])) < 1e-9


def test_what_a_task_demands_is_what_the_expert_does_for_it(efforts: list[Effort]) -> None:
    demands = [demand(e.task.goals, e.task.kind) for e in efforts]
    assert rank_correlation(demands, [e.calls + e.messages for e in efforts]) >= 0.8


def test_harder_tasks_take_more_calls(efforts: list[Effort]) -> None:
    calls = defaultdict(list)
    for effort in efforts:
        calls[effort.task.difficulty].append(effort.calls)
    assert sorted(calls) == [1, 2, 3, 4, 5]
    means = [sum(calls[level]) / len(calls[level]) for level in sorted(calls)]
    assert all(low < high for low, high in pairwise(means)), means


def test_every_level_has_its_share_of_tasks(efforts: list[Effort]) -> None:
    levels = [effort.task.difficulty for effort in efforts]
    assert all(levels.count(level) >= 0.05 * len(levels) for level in range(1, 6))


def test_a_fault_a_change_of_mind_and_a_second_request_demand_more(efforts: list[Effort]) -> None:
    for effort in efforts:
        task, (goal, *_) = effort.task, effort.task.goals
        plain = demand([goal], "fulfil")
        assert demand([goal], "recover") > plain
        assert demand([goal, goal], "several") > 2 * plain
        if task.goals[0].reversal is not None:
            assert plain > demand([goal.model_copy(update={"reversal": None})], "fulfil")
