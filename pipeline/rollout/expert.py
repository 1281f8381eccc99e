"""The expert: an agent without a model that works as a careful human would.

It is given the structure of right plans (which calls, and where each value is told or seen) and takes every value
from the conversation: it reads the user's messages by inverting the phrasings, and the results by their fields. It
never sees the draw. Its flow is one generator, so the code reads as the work does: look up, ask, confirm, act, report.

When a call meets trouble it does what `pipeline.rollout.recovery` says. With a planned mistake it errs once, as in
`pipeline.rollout.erring`; the label stands only if the altered action was taken and not corrected.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from engine.types import Completion, Message, ToolCall
from pipeline.identity import Rng
from pipeline.rollout.erring import ErringWork
from pipeline.rollout.mistakes import Slip
from pipeline.rollout.work import GoalWork, Heard
from pipeline.types import Goal, Mistake
from pipeline.world import CompiledDomain
from pipeline.world.yaml_file import parse_yaml

PHRASES = Path(__file__).with_name("expert.yaml")
PARALLEL = 0.5  # share of episodes in which independent look-ups go out together
ASKS_FIRST = 0.5  # share in which everything missing is asked for before anything is looked up

Work = Generator[Message, Heard, None]


@lru_cache(maxsize=4)
def parse_phrases(text: str) -> dict[str, list[str]]:
    """The expert's own words, from a file's text (`expert.yaml`)."""
    value: dict[str, list[str]] = parse_yaml(text, PHRASES.name)[0]
    return value


class ExpertAgent:
    """One conversation's expert. `goals` are `Goal.for_expert()`: without the draw."""

    def __init__(
        self,
        goals: Sequence[Goal],
        compiled: CompiledDomain,
        today: str,
        language: str,
        rng: Rng,
        slip: Slip | None = None,
        phrases: dict[str, list[str]] | None = None,
    ) -> None:
        """`phrases`: its own words, other than those that ship (a run keeps the ones it was made with)."""
        self.phrases = phrases or parse_phrases(PHRASES.read_text(encoding="utf-8"))
        self.compiled, self.today, self.language, self.rng, self._slip = compiled, today, language, rng, slip
        self.parallel, self.asks_first = rng.chance(PARALLEL), rng.chance(ASKS_FIRST)
        self._seen: dict[tuple[str, str], tuple[Any, int]] = {}  # (tool, arguments) → result, and when
        self._wrote: list[frozenset[str]] = []  # tables written, by successful write
        self.person: dict[str, Any] = {}  # who speaks, once they said so: later requests need not say it again
        self._calls = 0
        self._heard = 0
        self.said: list[str] = []
        self.taken: list[Mistake] = []
        self._work = self._conversation(goals)
        next(self._work)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The planned mistake, if it was made and stands."""
        return tuple(self.taken)

    async def act(self, messages: Sequence[Message]) -> Completion:
        """The next assistant message."""
        new = messages[self._heard :]
        message = self._work.send(new)
        self._heard = len(messages) + 1  # its own message comes next
        return Completion(message=message, finish_reason="tool_calls" if message.tool_calls else "stop")

    # ------------------------------------------------------------ the flow

    def _conversation(self, goals: Sequence[Goal]) -> Work:
        heard = yield Message(role="assistant")  # primes the generator; never said
        for number, goal in enumerate(goals):
            slip = self._slip if self._slip is not None and self._slip.goal == number else None
            work = GoalWork(self, goal) if slip is None else ErringWork(self, goal, slip)
            heard = yield from work.work(heard)
        while True:
            heard = yield self.say(self.rng.choice(self.phrases["closing"]))

    # ------------------------------------------------------------ what a goal needs of its agent

    def say(self, text: str) -> Message:
        self.said.append(text)
        return Message.model_construct(role="assistant", content=text, tool_calls=(), tool_call_id=None)

    def call(self, calls: Sequence[tuple[str, dict[str, Any] | str]], text: str | None) -> Message:
        """A message that makes calls; ids count all calls of the conversation, as Kimi K2's format wants."""
        made = []
        for name, arguments in calls:
            written = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            made.append(ToolCall(id=f"functions.{name}:{self._calls}", name=name, arguments=written))
            self._calls += 1
        self.said += [text] if text else []
        return Message.model_construct(role="assistant", content=text, tool_calls=tuple(made), tool_call_id=None)

    def known(self, tool: str, arguments: Mapping[str, Any]) -> Any | None:
        """The result of the same look-up earlier, if nothing was written since to what it reads."""
        found = self._seen.get((tool, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()))
        if found is None:
            return None
        result, when = found
        reads = self.compiled.tools[tool].reads
        return None if any(tables & reads for tables in self._wrote[when:]) else result

    def saw(self, tool: str, arguments: Mapping[str, Any], result: Any) -> None:
        """Remember a result."""
        if self.compiled.tools[tool].writes:
            self.may_have_written(tool)
        else:
            key = tool, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()
            self._seen[key] = result, len(self._wrote)

    def may_have_written(self, tool: str) -> None:
        """Trust no earlier look-up of what this tool writes."""
        self._wrote.append(self.compiled.tools[tool].writes)
