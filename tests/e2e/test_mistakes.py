"""A careful expert always passes; every mistake that took effect is rejected, and for the right reason.

Whether a mistake took effect is decided by `truth`, which knows nothing of the verdict: it compares whole databases and
looks for answers in what was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pipeline.config import RunConfig
from pipeline.errors import BadInput
from pipeline.identity import Rng, derive_seed
from pipeline.recipe import Recipe, gather_inputs
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode, system_prompt
from pipeline.rollout.mistakes import PLANTED, Slip, fits
from pipeline.stages import Worlds, episode_of, judge, make_task
from pipeline.types import DroppedTask, Goal, Mistake, Record, Task, Trajectory
from pipeline.world import SqlEnvironment, World
from tests.e2e.commands import TOY
from tests.e2e.truth import Truth

# Which differences of the state verdict count as the right reason to reject a mistake; one of them must be there.
REASONS: dict[Mistake, frozenset[str]] = {
    # something else was done than what was asked: the wanted row is missing, a cell differs, or a row is too many
    "wrong_argument": frozenset({"cell", "missing", "extra", "mention"}),
    # what was not written is not there: a row, or the new value of a cell
    "missing_write": frozenset({"missing", "cell"}),
    # a row or a cell too many, or a write where none should be; the same cell written twice holds another value
    "extra_write": frozenset({"extra", "wrote", "cell"}),
    # nothing was done (row missing, cell as it was), or, for a question, nothing was told
    "premature_done": frozenset({"missing", "cell", "answer"}),
}

# Where a label may stand although nothing came of the mistake, each with why: what is done is right, and passes.
EXCEPTIONS: dict[tuple[str, Mistake], str] = {
    ("borrow_any_by_author", "wrong_argument"): "any book by the author is right: so is the neighbour in the list",
    ("book_dinner", "wrong_argument"): "any table that is free and large enough is right: so is the neighbour",
}

DOMAINS = [str(TOY), "travel"]
QUICK, LONG = 30, 300
SIZES = [QUICK, pytest.param(LONG, marks=pytest.mark.verify)]
CAREFUL = [QUICK, pytest.param(1200, marks=pytest.mark.verify)]  # rare combinations of requests show late


class Bench(NamedTuple):
    """A domain prepared once: its recipe and the tasks that were made so far, with their worlds."""

    recipe: Recipe
    worlds: Worlds
    made: dict[int, tuple[Task | DroppedTask, World | None]]

    def task(self, index: int) -> tuple[Task | DroppedTask, World | None]:
        if index not in self.made:
            self.made[index] = make_task(self.recipe, self.worlds, index)
        return self.made[index]

    def tasks(self) -> Iterator[tuple[Task, World]]:
        """The tasks that are not dropped, without end."""
        index = 0
        while True:
            task, world = self.task(index)
            index += 1
            if isinstance(task, Task) and world is not None:
                yield task, world


@pytest.fixture(scope="module")
def benches() -> dict[str, Bench]:
    return {}


@pytest.fixture(params=DOMAINS, ids=["toy", "travel"])
def bench(request: pytest.FixtureRequest, benches: dict[str, Bench]) -> Bench:
    if request.param not in benches:
        try:
            config, inputs = gather_inputs(RunConfig(domains=(request.param,), agent="expert"))
        except BadInput as error:
            pytest.fail(str(error))
        recipe = Recipe(config, inputs)
        benches[request.param] = Bench(recipe, Worlds(recipe), {})
    return benches[request.param]


def play(bench: Bench, task: Task, world: World, slip: Slip | None, goals: list[Goal] | None = None) -> Trajectory:
    """One episode with this slip, as a run would play it."""
    recipe, episode = bench.recipe, episode_of(bench.recipe.config, task, 0)
    goals = goals if goals is not None else [goal.for_expert() for goal in task.goals]
    rng = Rng(derive_seed(episode.seed, "agent"))
    agent = ExpertAgent(goals, world.compiled, world.today, task.language, rng, slip, recipe.phrases)
    user = ScriptedUser(task, Rng(derive_seed(episode.seed, "user")), world.today, world.compiled.domain.tools)
    prompt = system_prompt(world.compiled.domain, world.today, recipe.prompt)
    environment = SqlEnvironment(world)
    try:
        return asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt=prompt)
        )
    finally:
        environment.close()


def later_refused(record: Record) -> bool:
    """An extra write can make what is asked for later impossible; then that is missing, and its row stands for it."""
    calls = record.trajectory.calls
    return len(record.task.goals) > 1 and any(not call.ok for call in calls)


def why(record: Record) -> str:
    """What the verdict says, for a failing test."""
    state = record.verdict.state
    gates = [f"{s.name}: {s.reason}" for s in record.verdict.scores if s.gates and s.passed is False]
    intents = "+".join(goal.intent for goal in record.task.goals)
    return f"{intents} {record.trajectory.episode_id}: {[str(d) for d in state.differences] if state else ''} {gates}"


@pytest.mark.parametrize("count", CAREFUL)
def test_a_careful_expert_passes_every_time_and_hardly_a_task_is_dropped(bench: Bench, count: int) -> None:
    failed, dropped = [], []
    for index in range(count):
        task, world = bench.task(index)
        if isinstance(task, DroppedTask) or world is None:
            assert isinstance(task, DroppedTask) and task.reason and task.detail
            dropped.append(f"{task.index}: {task.reason}: {task.detail}")
            continue
        trajectory = play(bench, task, world, None)
        record = judge(bench.recipe, task, trajectory, world)
        if record.verdict.passed is not True or record.drop_reason is not None or trajectory.mistakes:
            failed.append(why(record))
        truth = Truth(task, world)
        assert truth.state_is_right(trajectory) and truth.was_told(trajectory), "the oracle does not agree with itself"
    assert not failed, "\n".join(failed)
    assert len(dropped) <= max(1, count // 50), "\n".join(dropped)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("kind", PLANTED)
def test_a_mistake_that_took_effect_is_rejected_for_the_right_reason(bench: Bench, kind: Mistake, count: int) -> None:
    effective = 0
    wrong: list[str] = []
    for number, (task, world) in enumerate(bench.tasks()):
        if effective == count:
            break
        assert number < 12 * count, f"{kind} took effect only {effective} times in {number} tasks"
        able = [n for n, goal in enumerate(task.goals) if fits(kind, goal.for_expert())]
        if not able:
            continue
        rng = Rng(derive_seed(task.seed, "slip", kind))
        slip = Slip(kind, rng.choice(able), rng.below(64))
        trajectory = play(bench, task, world, slip)
        truth = Truth(task, world)
        right = truth.state_is_right(trajectory) and truth.was_told(trajectory)
        record = judge(bench.recipe, task, trajectory, world)
        if trajectory.mistakes != (kind,):
            # not made (nothing to spoil was seen, or it was refused and corrected): then nothing may be wrong
            assert trajectory.mistakes == ()
            if not right:
                wrong.append(f"no label, but an effect: {why(record)}")
            continue
        state = record.verdict.state
        if right:
            if record.verdict.passed and (task.goals[slip.goal].intent, kind) not in EXCEPTIONS:
                wrong.append(f"labelled and kept, but without effect: {why(record)}")
            continue
        effective += 1
        kinds: set[Any] = {difference.kind for difference in state.differences} if state else set()
        if record.verdict.passed is not False or record.drop_reason is None:
            wrong.append(f"not rejected: {why(record)}")
        elif not kinds & REASONS[kind] and not (kind == "extra_write" and later_refused(record)):
            wrong.append(f"rejected for another reason: {why(record)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.verify)])
def test_the_expert_never_sees_the_draw(bench: Bench, count: int) -> None:
    tasks = bench.tasks()
    for _ in range(count):
        task, world = next(tasks)
        poisoned = [
            goal.model_copy(
                update={
                    "values": dict.fromkeys(goal.values, "POISON"),
                    "opening": "POISON",
                    "tells": dict.fromkeys(goal.tells, "POISON"),
                    "push": "POISON",
                }
            )
            for goal in task.goals
        ]
        clean, poison = play(bench, task, world, None), play(bench, task, world, None, poisoned)
        assert clean.messages == poison.messages
        assert "POISON" not in str(poison.messages)


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.verify)])
def test_what_the_expert_is_given_holds_no_drawn_number_date_or_name(bench: Bench, count: int) -> None:
    tasks = bench.tasks()
    for _ in range(count):
        task, _world = next(tasks)
        for goal in task.goals:
            given = goal.for_expert().model_dump_json(exclude={"templates", "says", "asked"})
            drawn = [value for value in goal.values.values() if isinstance(value, str)]
            leaks = [value for value in drawn if any(c.isdigit() for c in value) and len(value) > 4 and value in given]
            assert not leaks, f"{goal.intent}: {leaks}"
