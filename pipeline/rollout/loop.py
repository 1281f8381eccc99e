"""One episode: the agent acts, the environment executes, the user answers, until one of them is done.

Every model call and nothing else is awaited, so thousands of episodes share one event loop; work between awaits is one
turn. What fails inside becomes the episode's status: a bad rollout is data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import orjson

from engine.types import Message, ToolCall
from pipeline.config import Limits
from pipeline.domain import Domain
from pipeline.errors import Status, ToolworldsError, classify
from pipeline.rollout.agent import Agent
from pipeline.rollout.user import User
from pipeline.types import Call, Episode, FaultKind, StopReason, Trajectory
from pipeline.wording import render
from pipeline.world import Environment, Outcome, World
from pipeline.world.change import state_after
from pipeline.world.faults import Faults
from pipeline.world.functions import weekday

PROMPT = Path(__file__).with_name("system.j2")


@lru_cache(maxsize=8)
def _prompt_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def system_prompt(domain: Domain, today: str, template: str | None = None) -> str:
    """The agent's system prompt: who it is, what day it is, the domain's policy."""
    return render(
        template if template is not None else _prompt_text(PROMPT),
        {
            "title": domain.title,
            "summary": domain.summary,
            "today": today,
            "weekday": weekday(today),
            "policy": domain.policy.strip(),
        },
    ).strip()


class _Recorder:
    """The conversation so far, its calls, and how both grow."""

    def __init__(self, environment: Environment, limits: Limits, faults: Faults) -> None:
        self.messages: list[Message] = []
        self.calls: list[Call] = []
        self.turns = self.malformed = self.prompt_tokens = self.completion_tokens = 0
        self._environment, self._limits, self._faults = environment, limits, faults

    def execute(self, call: ToolCall) -> None:
        """Run one call and record it; its result is the next message."""
        fault = self._faults.due(len(self.calls), call.name)
        try:
            arguments = orjson.loads(call.arguments)
            if not isinstance(arguments, dict):
                raise ValueError("not an object")
            outcome = self._environment.call(call.name, arguments, fault=fault)
        except ValueError as error:  # JSON of another shape, or no JSON
            text = f"The arguments are not a JSON object: {error}"
            outcome = Outcome(None, text, False, self._environment.state_hash(), None, True)
        self._faults.struck(call.name, outcome.fault)
        self.malformed += outcome.malformed
        self._record("agent", call, outcome)
        content = outcome.result if outcome.error is None else orjson.dumps({"error": outcome.error}).decode()
        self.messages.append(Message.model_construct(role="tool", content=content, tool_calls=(), tool_call_id=call.id))

    def hands(self, name: str, arguments: Mapping[str, Any]) -> Outcome:
        """Make a call of the user's own. It is recorded, and no message: the agent hears of it what the user says."""
        outcome = self._environment.call(name, arguments, actor="user")
        call = ToolCall(id=f"user.{name}:{len(self.calls)}", name=name, arguments=orjson.dumps(arguments).decode())
        self._record("user", call, outcome)
        return outcome

    def _record(self, actor: Literal["agent", "user"], call: ToolCall, outcome: Outcome) -> None:
        self.calls.append(
            Call.model_construct(
                index=len(self.calls),
                turn=self.turns,
                actor=actor,
                call_id=call.id,
                name=call.name,
                arguments=call.arguments,
                ok=outcome.ok,
                result=outcome.result,
                error=outcome.error,
                fault=outcome.fault,
                tier="sql",
                wrote=outcome.wrote,
                state_hash=outcome.state_hash,
            )
        )

    def limit(self) -> StopReason | None:
        """The limit that was reached, if one was."""
        if self.malformed >= self._limits.malformed:
            return "malformed_limit"
        if len(self.calls) >= self._limits.calls:
            return "call_limit"
        return "turn_limit" if self.turns >= self._limits.turns else None


async def run_episode(
    episode: Episode,
    world: World,
    environment: Environment,
    agent: Agent,
    user: User,
    *,
    limits: Limits,
    prompt: str,
    agent_name: str = "expert",
    user_name: str = "scripted",
    faults: Mapping[FaultKind, float] | None = None,
) -> Trajectory:
    """Play one episode to its end. Raises only for bugs of ours; every other failure is the trajectory's status.

    `faults`: chance per call of faults at random, beside those that are planned for the episode.
    """
    recorder = _Recorder(environment, limits, Faults(episode.seed, episode.faults, faults))
    tools = [tool.wire() for tool in environment.tools()]
    status: Status = "ok"
    failure: str | None = None
    stop: StopReason | None = None
    try:
        recorder.messages += [Message(role="system", content=prompt), Message(role="user", content=user.opening())]
        while stop is None:
            stop = await _turn(recorder, agent, user)
    except ToolworldsError as error:
        status, failure = classify(error), str(error)
    if stop in ("malformed_limit", "call_limit", "turn_limit", "token_limit"):
        status, failure = "agent_failure", f"the episode ended at its {stop.replace('_', ' ')}"
    change = environment.change()
    after = environment.state_hash()
    return Trajectory(
        episode_id=episode.episode_id,
        task_id=episode.task.task_id,
        attempt=episode.attempt,
        seed=episode.seed,
        agent=agent_name,
        user=user_name,
        agent_spec=episode.agent_spec,
        status=status,
        stop_reason=stop,
        messages=tuple(recorder.messages),
        tools=tuple(tools),
        calls=tuple(recorder.calls),
        change=change,
        state_before=world.state,
        state_after=state_after(world.state, after),
        mistakes=agent.mistakes,
        n_turns=recorder.turns,
        n_faults=sum(call.fault is not None for call in recorder.calls),
        prompt_tokens=recorder.prompt_tokens,
        completion_tokens=recorder.completion_tokens,
        failure=failure,
    )


async def _turn(recorder: _Recorder, agent: Agent, user: User) -> StopReason | None:
    """One assistant message and what follows from it; the reason to stop, if there is one."""
    completion = await agent.act(recorder.messages)
    recorder.turns += 1
    recorder.prompt_tokens += completion.prompt_tokens
    recorder.completion_tokens += completion.completion_tokens
    recorder.messages.append(completion.message)
    if completion.truncated:
        return "token_limit"
    for call in completion.message.tool_calls:
        recorder.execute(call)
        await asyncio.sleep(0)  # let the others in: lumps of work are what costs throughput
    if completion.message.tool_calls:
        return recorder.limit()
    reply = await user.reply(recorder.messages, recorder.hands)
    if reply is None:
        return "user_done"
    recorder.messages.append(Message.model_construct(role="user", content=reply, tool_calls=(), tool_call_id=None))
    return recorder.limit()
