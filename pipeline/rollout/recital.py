"""A conversation that is already written, played for real: the words are given, the calls are executed.

What somebody wrote by hand, or what a right run became after an edit, is turned into a trajectory like any other. Texts
and arguments may hold marks that only the run can fill (the id of a row that it makes): `spell` is given each of them
when it is due, with what was heard so far.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from engine.types import Completion, Message, ToolCall
from pipeline.config import Limits
from pipeline.rollout.loop import run_episode
from pipeline.rollout.user import Hands
from pipeline.types import Episode, Mistake, PlannedFault, Trajectory
from pipeline.world import Environment, Outcome, SqlEnvironment, World

Spell = Callable[[str, Sequence[Message]], str]
WIDE = Limits(turns=1000, calls=1000, malformed=100)  # a recital ends where it was written to end


class Turn(NamedTuple):
    """One message. `calls`: (tool, arguments as JSON text), by the agent in it or by the user before it."""

    role: Literal["user", "assistant"]
    text: str | None = None
    calls: tuple[tuple[str, str], ...] = ()


def turns_of(trajectory: Trajectory) -> list[Turn]:
    """The turns by which a trajectory would come about again; a user's own calls go with the message after them."""
    own: dict[int, list[tuple[str, str]]] = {}
    for call in trajectory.calls:
        if call.actor == "user":
            own.setdefault(call.turn, []).append((call.name, call.arguments))
    turns, spoken = [], 0
    for message in trajectory.messages:
        if message.role == "assistant":
            spoken += 1
            made = tuple((call.name, call.arguments) for call in message.tool_calls)
            turns.append(Turn("assistant", message.content, made))
        elif message.role == "user":
            turns.append(Turn("user", message.content, tuple(own.pop(spoken, ()))))
    return turns


def recite(
    episode: Episode,
    world: World,
    turns: Iterable[Turn],
    *,
    prompt: str,
    spell: Spell | None = None,
    heard: Callable[[Outcome], None] | None = None,
    faults: Sequence[PlannedFault] = (),
    shift: int = 0,
    environment: Environment | None = None,
) -> Trajectory:
    """The trajectory of a written conversation. It begins with a user's turn, and ends where the turns end.

    `heard`: told what came of each call of the user's own, which no message shows. `faults`: in place of the episode's
    own. `shift`: as in `SqlEnvironment`. `environment`: another than a fresh one of the world; it is closed.
    """
    speaker = _Reciter(list(turns), spell or (lambda text, _: text), heard or (lambda _: None))
    environment = environment or SqlEnvironment(world, shift=shift)
    played = episode.model_copy(update={"faults": tuple(faults)})
    try:
        return now(run_episode(played, world, environment, speaker, speaker, limits=WIDE, prompt=prompt))
    finally:
        environment.close()


class _Reciter:
    """Both sides of the conversation."""

    mistakes: tuple[Mistake, ...] = ()

    def __init__(self, turns: list[Turn], spell: Spell, heard: Callable[[Outcome], None]) -> None:
        self._turns, self._spell, self._heard, self._made = turns, spell, heard, 0

    def opening(self) -> str:
        return self._spell(self._take("user").text or "", ())

    async def act(self, messages: Sequence[Message]) -> Completion:
        turn = self._take("assistant")
        calls = []
        for name, arguments in turn.calls:
            spelled = self._spell(arguments, messages)
            calls.append(ToolCall(id=f"functions.{name}:{self._made}", name=name, arguments=spelled))
            self._made += 1
        text = None if turn.text is None else self._spell(turn.text, messages)
        return Completion(message=Message(role="assistant", content=text, tool_calls=tuple(calls)))

    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None:
        if not self._turns:
            return None
        turn = self._take("user")
        for name, arguments in turn.calls:
            self._heard(hands(name, orjson.loads(self._spell(arguments, messages))))
        return self._spell(turn.text or "", messages)

    def _take(self, role: str) -> Turn:
        if not self._turns or self._turns[0].role != role:
            due = f"the {self._turns[0].role}'s" if self._turns else "no"
            raise ValueError(f"it is the {role}'s turn, and {due} message is written next")
        return self._turns.pop(0)


def now(play: Coroutine[Any, Any, Trajectory]) -> Trajectory:
    """Run an episode in which nothing waits, without an event loop: it only ever yields to let others in."""
    while True:
        try:
            play.send(None)
        except StopIteration as end:
            trajectory: Trajectory = end.value
            return trajectory
