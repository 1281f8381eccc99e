"""Who acts: the protocol of agents, and the spelling of `--model`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.types import Completion, Message
from pipeline.errors import BadInput
from pipeline.types import Mistake


class Agent(Protocol):
    """One side of a conversation. `act` is given all messages so far and answers with one assistant message."""

    async def act(self, messages: Sequence[Message]) -> Completion: ...

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Labels of mistakes that it made on purpose and did not correct."""
        ...


class AgentSpec(NamedTuple):
    """`expert` or `expert:mistakes=0.3`."""

    name: str
    mistakes: float


def parse_agent(text: str) -> AgentSpec:
    """What `--model` says. Raises BadInput with the forms that there are."""
    name, _, options = text.partition(":")
    remedy = "Write expert, or expert:mistakes=0.3 (a share of episodes with one labelled mistake)."
    if name != "expert":
        raise BadInput(f"there is no agent {text!r}", where="--model", remedy=remedy)
    if not options:
        return AgentSpec(name, 0.0)
    key, _, value = options.partition("=")
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if key != "mistakes" or not 0 <= rate <= 1:
        raise BadInput(f"{options!r} is not an option of the expert", where="--model", remedy=remedy)
    return AgentSpec(name, rate)
