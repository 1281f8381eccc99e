"""Who asks: the protocol of users, and the scripted one.

The scripted user wants what its goals say, knows its facts and nothing else, and discloses by rule: the opening facts
at once, others when asked, hidden ones never. It understands free text well enough to serve a model agent: which fact
a question is about, whether it is being asked for its word, whether it was refused, and that "one moment" is no end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from engine.types import Message
from pipeline.identity import Rng
from pipeline.types import Goal, Task
from pipeline.wording import fold, say_day
from pipeline.world import Outcome

Hands = Callable[[str, Mapping[str, Any]], Outcome]
"""Makes a call of one of the user's own tools, by name and arguments."""


class User(Protocol):
    """The other side of a conversation. `reply` is the user's next message, or None when they are done.

    On the way to it the user may do something with their own tools, by `hands`.
    """

    def opening(self) -> str: ...

    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None: ...


_SENTENCE = re.compile(r"(?<=[.!?…:])\s+|\n+")
_PROPOSAL = re.compile(
    r"""\b(?: (?:shall|should|may|can|could)\ i
    | (?:like|want|happy\ for)\ me\ to | ready\ for\ me\ to
    | go\ ahead | proceed | please\ confirm | sounds?\ (?:good|right)
    | (?:is|are|does|do)\ (?:that|this|these|those|everything|it\ all|all\ of\ this)\ (?:all\ )?
      (?:right|correct|ok|okay|fine|good|looks?|sounds?|works?|suits?|agreeable)
    | (?:do|would)\ you\ (?:agree|approve|confirm)
    | are\ you\ (?:happy|ok|okay|fine)\ with
    | your\ (?:ok|okay|go-ahead|confirmation|approval|word) )\b""",
    re.VERBOSE,
)
_REQUEST = re.compile(
    r"""\b(?: (?:please|kindly)\ (?:tell|give|provide|share|let\ me\ know|send|specify)
    | i(?:'ll|\ will|\ would)?\ (?:also\ )?(?:still\ )?need\ (?:to\ know\ )?(?:your|the|a) | let\ me\ know )\b""",
    re.VERBOSE,
)
_WAIT = re.compile(
    r"""\b(?: one\ moment | just\ a\ (?:moment|second) | give\ me\ a\ (?:moment|second|minute) | bear\ with\ me
    | let\ me\ (?:check|look|see|find|pull|search) | i'?ll\ (?:check|look|now\ check) )\b""",
    re.VERBOSE,
)
_MORE = re.compile(r"\b(?:anything|something) else\b|\bhow (?:else )?can i help\b|\bfurther (?:help|assistance)\b")
_REFUSAL = re.compile(
    r"""\b(?: can'?t | cannot | can\ not | unable | not\ able | (?:not|isn'?t)\ possible | not\ (?:allowed|permitted)
    | won'?t | unfortunately | afraid | sorry )\b""",
    re.VERBOSE,
)
MOST_UNKNOWNS = 4  # questions that it cannot answer before it gives up


class ScriptedUser:
    """A user without a model. Everything it says comes from the task; `rng` picks among the persona's words."""

    def __init__(self, task: Task, rng: Rng, today: str) -> None:
        self._task, self._rng, self._today = task, rng, today
        self._at = 0
        self._told: set[str] = set()
        self._pushed = False
        self._unknowns = 0
        self._begin()

    @property
    def _goal(self) -> Goal:
        return self._task.goals[self._at]

    def _begin(self) -> str:
        self._told = {name for name, how in self._goal.facts.items() if how == "opening"}
        self._pushed = False
        return self._goal.opening

    def opening(self) -> str:
        """The first message."""
        return self._goal.opening

    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None:
        """The answer to the agent's last message, or None when nothing is left to want."""
        text = fold((messages[-1].content or "").replace("’", "'")) or ""
        questions = [s for s in _SENTENCE.split(text) if s.endswith("?") or _REQUEST.search(s)]
        questions = [s for s in questions if not _MORE.search(s)]
        if facts := self._asked(questions):
            self._told.update(facts)
            return " ".join(self._tell(name) for name in facts)
        if self._goal.kind == "refuse" and _REFUSAL.search(text):
            if self._goal.push is not None and not self._pushed:
                self._pushed = True
                return self._goal.push
            return self._next()
        if any(_PROPOSAL.search(question) for question in questions):
            return self._rng.choice(self._task.persona.confirms)
        if again := self._asked(questions, again=True):
            return " ".join(self._tell(name) for name in again)
        if questions:
            self._unknowns += 1
            return self._next() if self._unknowns > MOST_UNKNOWNS else self._rng.choice(self._task.persona.unknowns)
        if _WAIT.search(text):
            return "Okay."
        return self._next()

    def _next(self) -> str | None:
        """The next thing it wants, or None."""
        if self._at + 1 == len(self._task.goals):
            return None
        self._at += 1
        return self._begin()

    def _asked(self, questions: Sequence[str], *, again: bool = False) -> list[str]:
        """The facts that these questions are about: those not told yet, or (`again`) any that may be told."""
        found = []
        for name, how in self._goal.facts.items():
            if how == "never" or (name in self._told and not again):
                continue
            about = self._goal.asked[name].about if name in self._goal.asked else (name.replace("_", " "),)
            if any(re.search(rf"\b{re.escape(fold(word) or '')}", q) for word in about for q in questions):
                found.append(name)
        return found

    def _tell(self, name: str) -> str:
        if name in self._goal.tells:
            return self._goal.tells[name]
        value = str(self._goal.values[name])
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            value = say_day(value, self._task.persona.dates, self._today)
        return f"It's {value}."
