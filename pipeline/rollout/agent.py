"""Who acts: the protocol of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.types import Completion, Message
from pipeline.types import Mistake


class Agent(Protocol):
    """One side of a conversation. `act` is given all messages so far and answers with one assistant message."""

    async def act(self, messages: Sequence[Message]) -> Completion: ...

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Labels of mistakes that it made on purpose and did not correct."""
        ...
