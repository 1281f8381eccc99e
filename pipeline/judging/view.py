"""An episode as its criteria see it: everything parsed once, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from engine.types import Message
from pipeline.domain import Domain, Tool
from pipeline.judging.speech import asks, confirms
from pipeline.judging.state import StateReader
from pipeline.types import Call, Task, Trajectory

# How the environment words a refusal of a call that no tool could take.
MALFORMED = ("There is no tool named", "Invalid arguments")


class UserTurn(NamedTuple):
    """`turn`: how many agent messages there had been. `at`: index among the messages."""

    turn: int
    at: int
    text: str
    confirms: bool
    proposal: str  # the agent's message just before


class AgentTurn(NamedTuple):
    """`turn` counts agent messages, this one included."""

    turn: int
    at: int
    text: str


@dataclass(frozen=True)
class ParsedCall:
    """`at`: index of the message that made it. `arguments`: None when they are not a JSON object."""

    call: Call
    arguments: dict[str, Any] | None
    tool: Tool | None
    at: int

    @property
    def effective(self) -> bool:
        """It changed something, acknowledged or not, or is a writing call that found nothing left to change."""
        return self.call.wrote or (self.call.ok and self.tool is not None and bool(self.tool.effects))

    @property
    def well_formed(self) -> bool:
        malformed = self.call.error is not None and self.call.error.startswith(MALFORMED)
        return self.arguments is not None and not malformed


def user_turns(messages: Sequence[Message]) -> list[tuple[int, str, bool]]:
    """(turn, text, whether it confirms) of every user message: the rows of the table `user_turns`."""
    return [(u.turn, u.text, u.confirms) for u in _user_turns(messages)]


def _user_turns(messages: Sequence[Message]) -> list[UserTurn]:
    out, turn, last = [], 0, ""
    for at, message in enumerate(messages):
        if message.role == "assistant":
            turn, last = turn + 1, message.content or ""
        elif message.role == "user":
            text = message.content or ""
            # There is nothing to confirm before something was asked: an opening may well begin with "OK".
            out.append(UserTurn(turn, at, text, turn > 0 and asks(last) and confirms(text), last))
    return out


@dataclass(frozen=True)
class View:
    """One episode, its task and domain, and the final state behind `reader`."""

    task: Task
    trajectory: Trajectory
    domain: Domain
    reader: StateReader

    @cached_property
    def users(self) -> tuple[UserTurn, ...]:
        return tuple(_user_turns(self.trajectory.messages))

    @cached_property
    def agents(self) -> tuple[AgentTurn, ...]:
        messages = [(at, m) for at, m in enumerate(self.trajectory.messages) if m.role == "assistant"]
        return tuple(AgentTurn(turn, at, m.content or "") for turn, (at, m) in enumerate(messages, start=1))

    @cached_property
    def calls(self) -> tuple[ParsedCall, ...]:
        """Every call, the user's own included."""
        tools = {t.name: t for t in self.domain.tools}
        at = {a.turn: a.at for a in self.agents}
        return tuple(
            ParsedCall(c, _object(c.arguments), tools.get(c.name), at.get(c.turn, len(self.trajectory.messages)))
            for c in self.trajectory.calls
        )

    @cached_property
    def agent_calls(self) -> tuple[ParsedCall, ...]:
        return tuple(c for c in self.calls if c.call.actor == "agent")

    @cached_property
    def expects_change(self) -> bool:
        return any(not e.change.empty for e in self.task.expected)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
