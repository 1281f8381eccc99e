"""Errors of a user simulator are found by program; the scripted user makes none."""

from __future__ import annotations

import asyncio

import pytest

from engine.types import Message
from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, episode_of, make_task, play
from pipeline.trust.users import UserErrorKind, user_errors
from pipeline.types import Task, Trajectory
from tests.conftest import ROOT
from tests.trust.conftest import Play

FLAGSHIPS = ("banking", "retail", "telecom", "travel")


def said(trajectory: Trajectory, number: int, text: str | None) -> Trajectory:
    """The conversation in which the user's message of that number is another, or the last thing before they leave."""
    at = [i for i, m in enumerate(trajectory.messages) if m.role == "user"][number]
    if text is None:
        return trajectory.model_copy(update={"messages": trajectory.messages[:at]})
    messages = list(trajectory.messages)
    messages[at] = Message(role="user", content=text)
    return trajectory.model_copy(update={"messages": tuple(messages)})


def kinds(task: Task, trajectory: Trajectory, recipe: Recipe) -> set[UserErrorKind]:
    return {error.kind for error in user_errors(task, trajectory, recipe.domains["toy"].domain.tools)}


def test_telling_what_is_to_be_held_back_is_found(played: Play, recipe: Recipe) -> None:
    task, _, trajectory, _ = played("hold_until")
    goal = task.goals[0]
    early = said(trajectory, 0, f"{goal.opening} {goal.tells['pickup_by']}")
    assert kinds(task, early, recipe) == {"tells_too_much"}
    task, _, trajectory, _ = played("renew")
    knows = said(trajectory, 1, f"Yes, and I mean {task.goals[0].values['loan_id']}.")
    assert "loan_id" not in task.goals[0].facts
    seen = user_errors(task, knows)
    assert not seen or seen[0].kind == "tells_too_much", "the agent may have said the number before"
    before = said(trajectory, 0, f"{task.goals[0].opening} It is loan {task.goals[0].values['loan_id']}.")
    assert kinds(task, before, recipe) == {"tells_too_much"}


@pytest.mark.parametrize(
    "text",
    [
        "I'll pick it up by 3 March 2031.",
        "I am Zoe, zoe.falk@post.example is my address.",
        "My loan is LN-777, if that helps.",
        "The fee was $318.40, and that is too much.",
    ],
)
def test_a_value_from_nowhere_is_found(played: Play, recipe: Recipe, text: str) -> None:
    task, _, trajectory, _ = played("hold_until")
    at = next(i for i, m in enumerate(trajectory.messages) if m.content == task.goals[0].tells["pickup_by"])
    number = [i for i, m in enumerate(trajectory.messages) if m.role == "user"].index(at)
    assert "contradicts" in kinds(task, said(trajectory, number, text), recipe)


def test_another_title_than_the_one_that_is_wanted_is_found(played: Play, recipe: Recipe) -> None:
    task, _, trajectory, _ = played("renew")
    goal = task.goals[0]
    other = goal.opening.replace(str(goal.values["title"]), "The Wrong Book")
    errors = user_errors(task, said(trajectory, 0, other))
    assert {error.kind for error in errors} >= {"contradicts"}
    assert "The Wrong Book" in str(errors)


def test_leaving_while_asked_or_before_everything_is_said_is_found(played: Play, recipe: Recipe) -> None:
    task, _, trajectory, _ = played("renew")
    asked = said(trajectory, 1, None)
    assert kinds(task, asked, recipe) == {"stops_early"}
    two = played("renew", "when_due")
    later = next(i for i, (_, m) in enumerate(said_by_user(two.trajectory)) if two.task.goals[1].opening in m)
    assert kinds(two.task, said(two.trajectory, later, None), recipe) == {"stops_early"}


def said_by_user(trajectory: Trajectory) -> list[tuple[int, str]]:
    return [(i, m.content or "") for i, m in enumerate(trajectory.messages) if m.role == "user"]


@pytest.mark.parametrize(
    "text",
    [
        "How can I help you today?",
        "I've renewed it for another two weeks.",
        "Shall I go ahead with that?",
        '{"name": "renew_loan", "arguments": {"loan_id": "x"}}',
        "As an AI I can't have a library card.",
    ],
)
def test_playing_the_agent_is_found(played: Play, recipe: Recipe, text: str) -> None:
    task, _, trajectory, _ = played("renew")
    assert "plays_the_agent" in kinds(task, said(trajectory, 1, text), recipe)


def test_making_no_sense_of_a_question_is_found(played: Play, recipe: Recipe) -> None:
    task, _, trajectory, _ = played("hold_until")
    number = [text for _, text in said_by_user(trajectory)].index(task.goals[0].tells["pickup_by"])
    lost = said(trajectory, number, task.persona.unknowns[0])
    assert kinds(task, lost, recipe) == {"makes_no_sense"}
    task, _, trajectory, _ = played("renew")
    assert kinds(task, said(trajectory, 1, task.persona.unknowns[0]), recipe) == {"makes_no_sense"}
    task, _, trajectory, _ = played("app_is_behind")
    idle = trajectory.model_copy(update={"calls": tuple(c for c in trajectory.calls if c.actor == "agent")})
    assert "makes_no_sense" in kinds(task, idle, recipe)


@pytest.mark.parametrize("agent", ["expert", "expert:mistakes=0.5"])
@pytest.mark.parametrize(
    ("domain", "count"),
    [("tests/toy", 60), *(pytest.param(name, 500, marks=pytest.mark.verify) for name in FLAGSHIPS)],
)
def test_the_scripted_user_makes_no_error(domain: str, count: int, agent: str) -> None:
    name = str(ROOT / domain) if "/" in domain else domain
    config, inputs = gather_inputs(RunConfig(domains=(name,), agent=agent, seed=11))
    recipe = Recipe(config, inputs)
    worlds, found = Worlds(recipe), []
    for index in range(count):
        task, world = make_task(recipe, worlds, index)
        if not isinstance(task, Task) or world is None:
            continue
        trajectory = asyncio.run(play(recipe, episode_of(recipe.config, task, 0), world))
        errors = user_errors(task, trajectory, world.compiled.domain.tools)
        found += [f"task {index} ({task.kind}): {error}" for error in errors]
    assert not found, "\n".join(found)
