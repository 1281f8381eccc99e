"""Agents and users that are models: what they are asked, what is made of their answers, what they never see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.client import ModelError
from engine.scripted import ScriptedClient
from engine.types import Completion, Message, Sampling, ToolCall
from pipeline.errors import UserFailure
from pipeline.identity import Rng
from pipeline.recipe import Recipe
from pipeline.rollout import ScriptedUser, run_episode
from pipeline.rollout.model_agent import ModelAgent
from pipeline.rollout.model_user import ModelUser
from pipeline.stages import episode_of, judge
from pipeline.types import Task, Trajectory
from pipeline.world import Outcome, SqlEnvironment, World
from tests.rollout.conftest import Find

COOL = Sampling(temperature=0.0, max_tokens=400)


def agent_of(client: ScriptedClient, world: World) -> ModelAgent:
    environment = SqlEnvironment(world)
    tools = environment.tools()
    environment.close()
    return ModelAgent(client, "m", tools, sampling=COOL, conversation="e1:agent")


def user_of(client: ScriptedClient, task: Task, world: World) -> ModelUser:
    domain = world.compiled.domain
    return ModelUser(client, "m", task, domain, world.today, sampling=COOL, conversation="e1:user")


def played(recipe: Recipe, task: Task, world: World, agent: ModelAgent, user: ModelUser | ScriptedUser) -> Trajectory:
    environment = SqlEnvironment(world)
    episode = episode_of(recipe.config, task, 0)
    try:
        return asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt="Be careful.")
        )
    finally:
        environment.close()


def no_hands(name: str, arguments: Mapping[str, Any]) -> Outcome:
    raise AssertionError(name)


def test_a_model_that_works_rightly_passes_with_the_scripted_user(recipe: Recipe, find: Find) -> None:
    task, world = find("when_due")
    goal = task.goals[0]
    member = next(iter(world_rows(world, "SELECT member_id FROM members WHERE email = :email", goal.values)))
    client = ScriptedClient(
        [
            ("find_member", f'```json\n{{"email": "{goal.values["email"]}"}}\n```'),
            Completion(
                message=Message(role="assistant", tool_calls=(
                    ToolCall(id="chatcmpl-tool-7", name="list_loans", arguments=f'{{"member_id": "{member}"}}'),
                )), finish_reason="tool_calls", prompt_tokens=50, completion_tokens=8,
            ),
            f"It is due on {goal.values['due_on']}.",
        ]
    )  # fmt: skip
    agent = agent_of(client, world)
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    trajectory = played(recipe, task, world, agent, user)
    assert judge(recipe, task, trajectory, world).verdict.passed
    assert [call.call_id for call in trajectory.calls] == ["functions.find_member:0", "functions.list_loans:1"]
    asked = client.requests[-1]
    assert [c.id for m in asked.messages for c in m.tool_calls] == ["functions.find_member:0", "functions.list_loans:1"]
    assert [m.tool_call_id for m in asked.messages if m.role == "tool"] == [c.call_id for c in trajectory.calls]
    assert {tool.name for tool in asked.tools} == {t.name for t in world.compiled.domain.tools if t.actor == "agent"}
    assert asked.conversation == "e1:agent" and trajectory.prompt_tokens == 50
    assert "code fence" in agent.completions[0].problems[0]


def world_rows(world: World, sql: str, values: Mapping[str, Any]) -> list[str]:
    from pipeline.types import Change
    from pipeline.world import FinalState

    with FinalState(world, Change()) as start:
        return [str(next(iter(row.values()))) for row in start.rows(sql, values, 5)]


def test_each_request_of_a_conversation_only_adds_to_the_one_before(recipe: Recipe, find: Find) -> None:
    task, world = find("when_due")
    client = ScriptedClient(
        [("find_member", '{"email": "x@y.z"}'), "I could not find you.", "Sorry.", "Sorry.", "Sorry."]
    )
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    played(recipe, task, world, agent_of(client, world), user)
    for before, after in zip(client.requests, client.requests[1:], strict=False):
        assert after.messages[: len(before.messages)] == before.messages and after.tools == before.tools


def test_a_model_that_cannot_be_asked_leaves_the_episode_undone(recipe: Recipe, find: Find) -> None:
    task, world = find("when_due")
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    trajectory = played(recipe, task, world, agent_of(ScriptedClient([ModelError("failed", "500")]), world), user)
    assert trajectory.status == "infra_failure" and "500" in (trajectory.failure or "")


def test_an_answer_that_was_cut_off_ends_the_episode_as_the_agents(recipe: Recipe, find: Find) -> None:
    task, world = find("when_due")
    cut = Completion(message=Message(role="assistant", content="Let me think about"), finish_reason="length")
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    trajectory = played(recipe, task, world, agent_of(ScriptedClient([cut]), world), user)
    assert (trajectory.status, trajectory.stop_reason) == ("agent_failure", "token_limit")


def test_a_model_user_is_told_its_own_side_of_the_story_and_nothing_else(find: Find) -> None:
    for intent, kind in (("hold_until", None), ("hold_until", "change_of_mind"), ("borrow_with_fines", None)):
        task, world = find(intent, kind)
        client = ScriptedClient(["[done]"])
        user = user_of(client, task, world)
        asyncio.run(user.reply([Message(role="assistant", content="Yes?")], no_hands))
        goal, scenario = task.goals[0], client.requests[0].messages[0].content or ""
        assert goal.opening in scenario and all(text in scenario for text in goal.tells.values())
        assert (goal.push or "") in scenario
        if goal.reversal is not None:
            assert goal.reversal.says in scenario
        hidden = [v for name, v in goal.values.items() if name not in goal.facts and len(str(v)) > 3]
        assert hidden or intent != "hold_until"
        assert [value for value in hidden if str(value) in scenario] == []
        assert world.compiled.domain.policy not in scenario


def test_a_model_user_answers_until_it_is_done(find: Find) -> None:
    task, world = find("when_due")
    client = ScriptedClient(["Thanks, and no rush.", "All clear, thank you. [DONE]"])
    user = user_of(client, task, world)
    messages = [Message(role="system", content="p"), Message(role="user", content=user.opening())]
    messages.append(Message(role="assistant", content="One moment."))
    first = asyncio.run(user.reply(messages, no_hands))
    assert first == "Thanks, and no rush."
    messages += [Message(role="user", content=first), Message(role="assistant", content="It is due in May.")]
    assert asyncio.run(user.reply(messages, no_hands)) is None
    heard = [m.content for m in client.requests[-1].messages if m.role == "user"]
    assert heard[1:] == ["One moment.", "It is due in May."]


def test_a_model_user_works_with_its_own_device(recipe: Recipe, find: Find) -> None:
    task, world = find("app_is_behind")
    email = task.goals[0].values["email"]
    client = ScriptedClient([("refresh_app", f'{{"email": "{email}"}}'), "Done, it is refreshed.", "[done]"])
    agent = agent_of(ScriptedClient(["Please refresh the app.", "Thank you, all is well."]), world)
    trajectory = played(recipe, task, world, agent, user_of(client, task, world))
    assert [(c.actor, c.name, c.ok) for c in trajectory.calls] == [("user", "refresh_app", True)]
    assert [t.name for t in client.requests[0].tools] == ["look_at_app", "refresh_app"]
    assert [m.content for m in trajectory.messages if m.role == "user"][1:] == ["Done, it is refreshed."]


def test_a_model_user_that_says_nothing_is_its_own_failure(recipe: Recipe, find: Find) -> None:
    task, world = find("when_due")
    with pytest.raises(UserFailure):
        asyncio.run(user_of(ScriptedClient([""] * 9), task, world).reply([], no_hands))
    agent = agent_of(ScriptedClient(["What is your e-mail address?"]), world)
    trajectory = played(recipe, task, world, agent, user_of(ScriptedClient([""] * 9), task, world))
    assert trajectory.status == "user_failure"
