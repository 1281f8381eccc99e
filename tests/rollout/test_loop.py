"""The episode loop: everything is recorded, limits end it, and what fails becomes a status."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from engine.types import Completion, Message, ToolCall
from pipeline.config import Limits
from pipeline.errors import DomainDefect, InfraFailure, UserFailure
from pipeline.recipe import Recipe
from pipeline.rollout import run_episode
from pipeline.rollout.user import Hands
from pipeline.stages import episode_of, play
from pipeline.types import FaultKind, Mistake, Trajectory
from pipeline.world import SqlEnvironment
from tests.rollout.conftest import Find


class Script:
    """An agent that says what it was told to say; a call is (name, arguments as text)."""

    mistakes: tuple[Mistake, ...] = ()

    def __init__(self, *turns: str | tuple[str, str] | Exception) -> None:
        self._turns = list(turns)

    async def act(self, messages: Sequence[Message]) -> Completion:
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        if isinstance(turn, Exception):
            raise turn
        if isinstance(turn, str):
            return Completion(message=Message(role="assistant", content=turn))
        call = ToolCall(id=f"functions.{turn[0]}:{len(messages)}", name=turn[0], arguments=turn[1])
        return Completion(message=Message(role="assistant", tool_calls=(call,)), prompt_tokens=10, completion_tokens=2)


class Silent:
    """A user who says one thing and is content."""

    def opening(self) -> str:
        return "Hello."

    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None:
        return None


class Talkative(Silent):
    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None:
        return "Go on."


def run(
    recipe: Recipe, find: Find, agent: Script, user: Silent | None = None, faults: dict[FaultKind, float] | None = None
) -> Trajectory:
    task, world = find("renew")
    environment = SqlEnvironment(world)
    try:
        return asyncio.run(
            run_episode(
                episode_of(recipe.config, task, 0),
                world,
                environment,
                agent,
                user or Silent(),
                limits=Limits(turns=8, calls=6, malformed=3),
                prompt="p",
                faults=faults,
            )
        )
    finally:
        environment.close()


def test_calls_results_and_tokens_are_recorded_as_they_happened(recipe: Recipe, find: Find) -> None:
    got = run(recipe, find, Script(("search_books", '{"words": "Salt"}'), "There it is."))
    (call,) = got.calls
    assert (call.index, call.turn, call.ok, call.wrote) == (0, 1, True, False)
    assert orjson.loads(call.result or "")[0]["title"] == "The Salt Road"
    assert [m.role for m in got.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert got.messages[3].content == call.result
    assert (got.status, got.stop_reason, got.n_turns, got.prompt_tokens) == ("ok", "user_done", 2, 10)


MALFORMED = {
    "arguments that are no JSON": ("search_books", '{"words": '),
    "arguments that are no object": ("search_books", '["Salt"]'),
    "a tool that there is not": ("burn_books", "{}"),
    "a missing argument": ("search_books", "{}"),
    "an unknown argument": ("search_books", '{"words": "Salt", "colour": "red"}'),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_calls_are_answered_and_too_many_end_the_episode(recipe: Recipe, find: Find, what: str) -> None:
    got = run(recipe, find, Script(MALFORMED[what]))
    assert len(got.calls) == 3 and not any(call.ok for call in got.calls)
    assert all(orjson.loads(m.content or "")["error"] for m in got.messages if m.role == "tool")
    assert (got.status, got.stop_reason) == ("agent_failure", "malformed_limit")


def test_too_many_calls_end_the_episode(recipe: Recipe, find: Find) -> None:
    got = run(recipe, find, Script(("search_books", '{"words": "Salt"}')))
    assert (got.status, got.stop_reason, len(got.calls)) == ("agent_failure", "call_limit", 6)


def test_too_many_turns_end_the_episode(recipe: Recipe, find: Find) -> None:
    got = run(recipe, find, Script("And?"), Talkative())
    assert (got.status, got.stop_reason, got.n_turns) == ("agent_failure", "turn_limit", 8)


FAILURES = [
    (DomainDefect("a constraint"), "domain_defect"),
    (UserFailure("it leaked"), "user_failure"),
    (InfraFailure("no answer"), "infra_failure"),
]


@pytest.mark.parametrize(("error", "status"), FAILURES)
def test_a_failure_becomes_the_status_with_its_evidence(
    recipe: Recipe, find: Find, error: Exception, status: str
) -> None:
    got = run(recipe, find, Script(("search_books", '{"words": "Salt"}'), error))
    assert (got.status, got.stop_reason, got.failure) == (status, None, str(error))
    assert len(got.calls) == 1


def test_an_error_of_ours_is_not_data(recipe: Recipe, find: Find) -> None:
    with pytest.raises(ZeroDivisionError):
        run(recipe, find, Script(ZeroDivisionError()))


def test_faults_are_drawn_from_the_seed_and_recorded(recipe: Recipe, find: Find) -> None:
    script = ("search_books", '{"words": "Salt"}')
    first, again = (run(recipe, find, Script(script), faults={"transient": 0.5}) for _ in range(2))
    assert [c.fault for c in first.calls] == [c.fault for c in again.calls]
    assert {c.fault for c in first.calls} == {None, "transient"}
    assert first.n_faults == sum(c.fault is not None for c in first.calls)
    assert all(c.ok == (c.fault is None) for c in first.calls)


def test_the_same_episode_is_the_same_trajectory(recipe: Recipe, find: Find) -> None:
    task, world = find("borrow_with_note")
    first, again = (asyncio.run(play(recipe, episode_of(recipe.config, task, 0), world)) for _ in range(2))
    assert first == again
    other = asyncio.run(play(recipe, episode_of(recipe.config, task, 1), world))
    assert other.episode_id != first.episode_id
