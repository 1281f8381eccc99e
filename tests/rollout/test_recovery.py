"""A careful agent recovers from faults by what the tool said: it tries again; a write in doubt is looked up first."""

from __future__ import annotations

import asyncio
from collections import Counter

import orjson
import pytest

from pipeline.identity import Rng
from pipeline.recipe import Recipe
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode
from pipeline.rollout.mistakes import fits, make_slip
from pipeline.rollout.recovery import TRIES, trouble
from pipeline.stages import Worlds, episode_of, judge, make_task
from pipeline.types import FaultKind, Goal, PlannedFault, Task
from pipeline.verdicts import Record
from pipeline.world import SqlEnvironment, World
from pipeline.world.faults import ERRORS, plan_faults, truncate
from tests.rollout.conftest import Find


def play_struck(
    recipe: Recipe,
    task: Task,
    world: World,
    *planned: PlannedFault,
    seed: int = 1,
    rates: dict[FaultKind, float] | None = None,
) -> Record:
    """An episode of a careful expert in which these faults strike, and no others."""
    goals = [goal.for_expert() for goal in task.goals]
    agent = ExpertAgent(goals, world.compiled, world.today, "en", Rng(seed))
    user = ScriptedUser(task, Rng(seed), world.today, world.compiled.domain.tools)
    episode = episode_of(recipe.config, task, 0).model_copy(update={"faults": planned})
    environment = SqlEnvironment(world)
    try:
        trajectory = asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt="p", faults=rates)
        )
    finally:
        environment.close()
    return judge(recipe, task, trajectory, world)


def calls_of(record: Record, tool: str) -> list[bool]:
    """Of each call of a tool, whether it wrote."""
    return [call.wrote for call in record.trajectory.calls if call.name == tool]


def said(record: Record) -> str:
    return " ".join(m.content or "" for m in record.trajectory.messages if m.role == "assistant")


SAID = [
    ({"error": ERRORS["timeout"]}, "doubt"),
    ({"error": "No response from the server."}, "doubt"),
    ({"error": ERRORS["rate_limit"]}, "again"),
    ({"error": ERRORS["transient"]}, "again"),
    (orjson.loads(truncate('[{"a":1},{"a":2},{"a":3}]') or ""), "cut"),
    ({"error": "The loan has been renewed twice already."}, None),
    ({"error": "The booking ended early."}, None),
    ([{"a": 1}, {"truncated": "Only the first 200 rows are shown."}], None),
    ([], None),
    ({"due_on": "2026-05-04"}, None),
]


@pytest.mark.parametrize(("result", "expected"), SAID)
def test_trouble_is_told_by_what_the_tool_said(result: object, expected: str | None) -> None:
    assert trouble(result) == expected


LOOKED_UP: list[tuple[str, FaultKind]] = [
    *(("find_member", kind) for kind in ("timeout", "rate_limit", "transient")),
    *(("list_loans", kind) for kind in ("timeout", "rate_limit", "transient", "truncated")),
]


@pytest.mark.parametrize(("tool", "kind"), LOOKED_UP)
def test_a_look_up_that_met_trouble_is_made_again(recipe: Recipe, find: Find, tool: str, kind: FaultKind) -> None:
    task, world = _listing(recipe) if kind == "truncated" else find("renew", "recover")
    for seed in range(6):
        record = play_struck(recipe, task, world, PlannedFault(tool=tool, kind=kind), seed=seed)
        assert record.verdict.passed, record.verdict
        assert [call.fault for call in record.trajectory.calls if call.name == tool] == [kind, None]


def _listing(recipe: Recipe) -> tuple[Task, World]:
    """A task in which the member has several loans, so that a page of them can break off."""
    worlds = Worlds(recipe)
    for i in range(400):
        task, world = make_task(recipe, worlds, i)
        if isinstance(task, Task) and world is not None and [goal.intent for goal in task.goals] == ["renew"]:
            steps = task.goals[0].plans[0].steps
            if any(step.lists for step in steps):
                return task, world
    raise AssertionError("no member with several loans")


@pytest.mark.parametrize("kind", ["rate_limit", "transient", "timeout"])
def test_a_write_without_effect_is_made_again_and_happens_once(recipe: Recipe, find: Find, kind: FaultKind) -> None:
    task, world = find("renew", "recover")
    for seed in range(6):
        record = play_struck(recipe, task, world, PlannedFault(tool="renew_loan", kind=kind), seed=seed)
        assert record.verdict.passed, record.verdict
        assert calls_of(record, "renew_loan") == [False, True]
        names = [call.name for call in record.trajectory.calls]
        first, last = names.index("renew_loan"), len(names) - 1 - names[::-1].index("renew_loan")
        # only what may have happened is looked up before it is made again
        assert names[first + 1 : last] == (["list_loans"] if kind == "timeout" else [])


def test_a_write_whose_answer_was_lost_is_looked_up_and_never_repeated(recipe: Recipe, find: Find) -> None:
    task, world = find("renew", "recover")
    for seed in range(6):
        record = play_struck(recipe, task, world, PlannedFault(tool="renew_loan", kind="lost_ack"), seed=seed)
        assert record.verdict.passed, record.verdict
        assert calls_of(record, "renew_loan") == [True]
        assert record.trajectory.calls[-1].name == "list_loans"
        assert "checked" in record.trajectory.messages[-1].content, "the user is not told what happened"


@pytest.mark.parametrize("kind", ["timeout", "lost_ack"])
def test_where_nothing_shows_a_write_the_user_hears_that_it_is_in_doubt(
    recipe: Recipe, find: Find, kind: FaultKind
) -> None:
    task, world = find("hold_until", "recover")
    (write,) = [step for step in task.goals[0].plans[0].steps if step.writes]
    assert write.proof is None, "holds can be looked up now: another tool is needed here"
    for seed in range(6):
        record = play_struck(recipe, task, world, PlannedFault(tool="place_hold", kind=kind), seed=seed)
        assert len(calls_of(record, "place_hold")) == 1
        last = record.trajectory.messages[-1].content or ""
        assert any(words in last for words in recipe.phrases["unsure"])
        assert record.trajectory.status == "ok" and record.verdict.passed is False


def test_trouble_that_does_not_pass_ends_in_an_honest_word(recipe: Recipe, find: Find) -> None:
    task, world = find("renew", "recover")
    record = play_struck(recipe, task, world, rates={"transient": 1.0})
    assert [call.name for call in record.trajectory.calls] == ["find_member"] * TRIES
    assert record.trajectory.messages[-1].content in recipe.phrases["unreachable"]


def test_two_faults_in_one_episode_are_both_overcome(recipe: Recipe, find: Find) -> None:
    task, world = find("renew", "recover")
    faults = (PlannedFault(tool="renew_loan", kind="timeout"), PlannedFault(tool="find_member", kind="rate_limit"))
    record = play_struck(recipe, task, world, *faults)
    assert record.verdict.passed and record.trajectory.n_faults == 2


def test_a_fault_that_is_passed_over_is_a_mistake_and_rejected(recipe: Recipe, find: Find) -> None:
    task, world = find("renew", "recover")
    faults = (PlannedFault(tool="renew_loan", kind="timeout"),)
    goals = [goal.for_expert() for goal in task.goals]
    assert fits("ignored_fault", goals[0], faults) and not fits("ignored_fault", goals[0])
    assert not fits("ignored_fault", goals[0], (PlannedFault(tool="renew_loan", kind="lost_ack"),))
    slip = make_slip("ignored_fault", goals, 0, Rng(1), faults)
    agent = ExpertAgent(goals, world.compiled, world.today, "en", Rng(1), slip)
    user = ScriptedUser(task, Rng(1), world.today)
    episode = episode_of(recipe.config, task, 0).model_copy(update={"faults": faults})
    environment = SqlEnvironment(world)
    try:
        trajectory = asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt="p")
        )
    finally:
        environment.close()
    record = judge(recipe, task, trajectory, world)
    assert trajectory.mistakes == ("ignored_fault",) and calls_of(record, "renew_loan") == [False]
    assert record.verdict.passed is False


# ---------------------------------------------------------------- which faults are planned


def struck(recipe: Recipe, count: int) -> list[tuple[Goal, tuple[PlannedFault, ...]]]:
    """Goals of recover tasks with the faults that would strike there."""
    worlds, out = Worlds(recipe), []
    for i in range(count):
        task, _ = make_task(recipe, worlds, i)
        if isinstance(task, Task) and task.kind == "recover":
            out += [(task.goals[0], plan_faults(task.goals, Rng(seed))) for seed in range(20)]
    return out


def test_a_fault_is_planned_only_where_one_can_recover_from_it(recipe: Recipe) -> None:
    for goal, faults in struck(recipe, 160):
        assert 1 <= len(faults) <= 2
        for fault in faults:
            for plan in goal.plans:
                steps = [step for step in plan.steps if step.tool == fault.tool]
                assert steps and all(step.actor == "agent" for step in steps)
                if fault.kind == "truncated":
                    assert any(step.lists for step in steps)
                if fault.kind == "lost_ack":
                    assert all(step.writes and step.proof is not None and step.proof.whole for step in steps)
                if fault.kind == "timeout":
                    assert all(not step.writes or step.proof is not None for step in steps)


def test_every_kind_of_fault_is_planned_and_a_write_is_struck_in_at_least_half(recipe: Recipe) -> None:
    planned = struck(recipe, 160)
    kinds = Counter(fault.kind for _, faults in planned for fault in faults)
    assert set(kinds) == {"timeout", "rate_limit", "transient", "lost_ack", "truncated"}
    writes = [
        any(step.writes and step.tool == fault.tool for fault in faults for step in goal.plans[0].steps)
        for goal, faults in planned
    ]
    assert sum(writes) >= 0.5 * len(writes)


def test_the_faults_of_an_episode_follow_from_its_task_and_attempt(recipe: Recipe, find: Find) -> None:
    task, _ = find("renew", "recover")
    assert episode_of(recipe.config, task, 0) == episode_of(recipe.config, task, 0)
    assert len({episode_of(recipe.config, task, attempt).faults for attempt in range(20)}) > 1
    assert not episode_of(recipe.config, find("renew")[0], 0).faults
