"""The expert works from what it is told and sees; its mistakes are labelled only when they were made and stand."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.identity import Rng
from pipeline.recipe import Recipe
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode
from pipeline.rollout.mistakes import PLANTED, Slip, fits, plan_slip
from pipeline.stages import episode_of, judge
from pipeline.types import Mistake
from pipeline.verdicts import Record
from pipeline.world import SqlEnvironment
from tests.rollout.conftest import Find


def play_with(
    recipe: Recipe, find: Find, intent: str, slip: Slip | None, seed: int = 1, kind: str | None = None
) -> Record:
    task, world = find(intent, kind)
    goals = [goal.for_expert() for goal in task.goals]
    agent = ExpertAgent(goals, world.compiled, world.today, "en", Rng(seed), slip)
    environment = SqlEnvironment(world)
    episode = episode_of(recipe.config, task, 0)
    user = ScriptedUser(task, Rng(seed), world.today, world.compiled.domain.tools)
    try:
        trajectory = asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt="p")
        )
    finally:
        environment.close()
    return judge(recipe, task, trajectory, world)


INTENTS = ["renew", "borrow_with_note", "borrow_any_by_author", "hold_until", "when_due", "borrow_with_fines",
           "third_renewal", "app_is_behind", "buy_the_book"]  # fmt: skip


@pytest.mark.parametrize("intent", INTENTS)
def test_a_careful_expert_passes_whatever_its_habits(recipe: Recipe, find: Find, intent: str) -> None:
    for seed in range(12):
        record = play_with(recipe, find, intent, None, seed)
        assert record.verdict.passed, record.verdict
        assert record.trajectory.mistakes == ()


def test_a_mind_that_is_changed_at_the_proposal_is_followed_and_asked_for_anew(recipe: Recipe, find: Find) -> None:
    for seed in range(6):
        record = play_with(recipe, find, "hold_until", None, seed, "change_of_mind")
        assert record.verdict.passed, record.verdict
        (goal,) = record.task.goals
        assert goal.reversal is not None
        said = [m.content or "" for m in record.trajectory.messages if m.role in ("user", "assistant")]
        turn = said.index(goal.reversal.says)
        assert str(goal.reversal.first["title"]) in said[turn - 1] and "?" in said[turn - 1]
        proposals = [text for text in said[turn:] if str(goal.values["title"]) in text and "?" in text]
        assert proposals, "nobody was asked for their word on what they want now"
        held = [call for call in record.trajectory.calls if call.name == "place_hold"]
        assert len(held) == 1 and held[0].ok


def test_an_expert_that_does_what_was_said_first_fails(recipe: Recipe, find: Find) -> None:
    """The law above can fail: who does not hear the change of mind does the wrong thing."""
    task, world = find("hold_until", "change_of_mind")
    deaf = [goal.for_expert().model_copy(update={"reversal": None}) for goal in task.goals]
    agent = ExpertAgent(deaf, world.compiled, world.today, "en", Rng(1))
    environment = SqlEnvironment(world)
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    episode = episode_of(recipe.config, task, 0)
    try:
        trajectory = asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt="p")
        )
    finally:
        environment.close()
    verdict = judge(recipe, task, trajectory, world).verdict
    assert verdict.passed is False and verdict.state is not None
    assert {difference.kind for difference in verdict.state.differences} & {"cell", "missing"}


def test_what_only_the_user_can_do_is_done_by_the_user_and_told(recipe: Recipe, find: Find) -> None:
    trajectory = play_with(recipe, find, "app_is_behind", None).trajectory
    own = [call for call in trajectory.calls if call.actor == "user"]
    assert [call.name for call in own] == ["look_at_app", "refresh_app"] and all(call.ok for call in own)
    made = [call.name for message in trajectory.messages for call in message.tool_calls]
    assert "refresh_app" not in made and not any("refresh_app" in str(m.content) for m in trajectory.messages)
    assert "refresh_app" not in {tool["function"]["name"] for tool in trajectory.tools}


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "ignored_fault"])  # that takes a fault
def test_a_planted_mistake_that_was_made_is_labelled_and_rejected(recipe: Recipe, find: Find, kind: Mistake) -> None:
    labelled = 0
    for intent in ("hold_until", "renew", "borrow_with_note"):
        for seed in range(4):
            record = play_with(recipe, find, intent, Slip(kind, 0, seed), seed)
            if record.trajectory.mistakes:
                labelled += 1
                assert record.trajectory.mistakes == (kind,)
                assert not record.verdict.passed, record.trajectory.messages
    assert labelled


def test_consequential_calls_come_after_the_users_yes(recipe: Recipe, find: Find) -> None:
    messages = play_with(recipe, find, "renew", None).trajectory.messages
    said = [m.role for m in messages]
    write = next(i for i, m in enumerate(messages) if any(c.name == "renew_loan" for c in m.tool_calls))
    assert said[write - 1] == "user" and "?" in (messages[write - 2].content or "")


def test_ids_of_calls_count_over_the_whole_conversation(recipe: Recipe, find: Find) -> None:
    calls = play_with(recipe, find, "borrow_with_note", None).trajectory.calls
    assert [c.call_id for c in calls] == [f"functions.{c.name}:{i}" for i, c in enumerate(calls)]


def test_the_share_of_planned_mistakes_is_the_rate(find: Find) -> None:
    task, _ = find("borrow_with_note")
    planned = sum(plan_slip(task.goals, 0.3, Rng(seed)) is not None for seed in range(2000))
    assert 520 <= planned <= 680


def test_no_mistake_is_planned_where_none_fits(find: Find) -> None:
    task, _ = find("buy_the_book")
    assert not any(fits(kind, goal) for kind in PLANTED for goal in task.goals)
    assert plan_slip(task.goals, 1.0, Rng(0)) is None
