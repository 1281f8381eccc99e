"""Who asks: the protocol of users, and the scripted one.

The scripted user wants what its goals say, knows its facts and nothing else, and discloses by rule: the opening facts
at once, others when asked, hidden ones never. It understands free text well enough to serve a model agent: which fact
a question is about, which of its own tools it is asked to use, whether it is being asked for its word, whether it was
refused, and that "one moment" is no end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from engine.types import Message
from pipeline.domain import Tool
from pipeline.identity import Rng
from pipeline.sources import fit
from pipeline.types import Goal, Task
from pipeline.wording import fold, render, say_day
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
_INSTRUCTION = re.compile(
    r"""\b(?: please | (?:could|can|would|will)\ you | try | go\ to | open | turn | switch | restart | check | look
    | tell\ me | let\ me\ know | have\ you | take | put | press | tap | set | run | reset | select | next )\b""",
    re.VERBOSE,
)
_OFF, _ON = re.compile(r"\b(?:off|disabled?|deactivated?)\b"), re.compile(r"\b(?:on|enabled?|activated?)\b")
CANNOT = ("It won't let me. It says: {error}", "That didn't work, all I get is: {error}")
MOST_UNKNOWNS = 4  # questions that it cannot answer before it gives up


def is_proposal(text: str) -> bool:
    """Whether the scripted user takes this for a question after their word."""
    return any(_PROPOSAL.search(question) for question in _questions(_sentences(text)))


def is_refusal(text: str) -> bool:
    """Whether the scripted user hears a no in this."""
    return _REFUSAL.search(_plain(text)) is not None


def asks_for(about: Sequence[str], text: str) -> bool:
    """Whether the scripted user hears a question about this, by the words that it is known by."""
    return any(_place(about, question) is not None for question in _questions(_sentences(text)))


def tools_meant(tools: Sequence[Tool], text: str) -> list[tuple[Tool, str]]:
    """Which of the user's own tools they are asked to use, in order, each with the sentence that says so."""
    wanted: dict[str, tuple[int, int, Tool, str]] = {}
    for at, sentence in enumerate(_sentences(text)):
        if not (sentence.endswith("?") or _INSTRUCTION.search(sentence)):
            continue
        for tool in tools:
            place = _place(tool.asked.about, sentence) if tool.asked is not None else None
            if place is not None and tool.name not in wanted:
                wanted[tool.name] = at, place, tool, sentence
    return [(tool, sentence) for _, _, tool, sentence in sorted(wanted.values(), key=lambda found: found[:2])]


def _plain(text: str) -> str:
    return fold(text.replace("’", "'")) or ""


def _sentences(text: str) -> list[str]:
    return _SENTENCE.split(_plain(text))


def _questions(sentences: Sequence[str]) -> list[str]:
    return [s for s in sentences if (s.endswith("?") or _REQUEST.search(s)) and not _MORE.search(s)]


def _place(about: Sequence[str], sentence: str) -> int | None:
    """Where in a sentence the first of these words begins; None when it has none of them."""
    found = [re.search(rf"\b{re.escape(fold(word) or '')}", sentence) for word in about]
    return min((match.start() for match in found if match), default=None)


class ScriptedUser:
    """A user without a model. Everything it says comes from the task; `rng` picks among the persona's words."""

    def __init__(self, task: Task, rng: Rng, today: str, tools: Sequence[Tool] = ()) -> None:
        """`tools`: the domain's; those with `actor: user` are in the user's hands."""
        self._task, self._rng, self._today = task, rng, today
        self._tools = [tool for tool in tools if tool.asked is not None]
        self._at = 0
        self._told: set[str] = set()
        self._pushed = self._turned = False
        self._unknowns = 0
        self._begin()

    @property
    def _goal(self) -> Goal:
        return self._task.goals[self._at]

    def _begin(self) -> str:
        self._told = {name for name, how in self._goal.facts.items() if how == "opening"}
        self._pushed = self._turned = False
        return self._goal.opening

    def opening(self) -> str:
        """The first message."""
        return self._goal.opening

    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None:
        """The answer to the agent's last message, or None when nothing is left to want."""
        said = messages[-1].content or ""
        text, questions = _plain(said), _questions(_sentences(said))
        did = [self._use(tool, sentence, hands) for tool, sentence in tools_meant(self._tools, said)]
        facts = self._asked(questions)
        self._told.update(facts)
        if did or facts:
            return " ".join([*did, *(self._tell(name) for name in facts)])
        if self._goal.kind in ("refuse", "irrelevant") and _REFUSAL.search(text):
            if self._goal.push is not None and not self._pushed:
                self._pushed = True
                return self._goal.push
            return self._next()
        asked = any(_PROPOSAL.search(question) for question in questions)
        if self._goal.reversal is not None and not self._turned and (asked or not (questions or _WAIT.search(text))):
            self._turned = True
            return self._goal.reversal.says
        if asked:
            return self._rng.choice(self._task.persona.confirms)
        if again := self._asked(questions, again=True):
            return " ".join(self._tell(name) for name in again)
        if questions:
            self._unknowns += 1
            return self._next() if self._unknowns > MOST_UNKNOWNS else self._rng.choice(self._task.persona.unknowns)
        if _WAIT.search(text):
            return "Okay."
        return self._next()

    def _use(self, tool: Tool, sentence: str, hands: Hands) -> str:
        """Use one tool as the agent asked, and tell what came of it."""
        assert tool.asked is not None
        arguments = {}
        for name, schema in tool.parameters.items():
            value = self._meant(tool, name, schema, sentence)
            if value is not None:
                arguments[name] = fit(value, schema)
        outcome = hands(tool.name, arguments)
        if outcome.result is None:
            return self._rng.choice(CANNOT).format(error=outcome.error)
        ways = tool.asked.tell.get(self._task.language) or tool.asked.tell["en"]
        style = self._task.persona.dates
        return render(self._rng.choice(ways), orjson.loads(outcome.result), style=style, today=self._today)

    def _meant(self, tool: Tool, name: str, schema: Mapping[str, Any], sentence: str) -> Any:
        """The value of a parameter that the agent's words mean; else the user's own, such as the number of the line."""
        if schema.get("type") == "boolean" and (_OFF.search(sentence) or _ON.search(sentence)):
            return not _OFF.search(sentence)
        for option in schema.get("enum", ()):
            if re.search(rf"(?<!\w){re.escape(fold(str(option).replace('_', ' ')) or '')}(?!\w)", sentence):
                return option
        for plan in self._goal.plans:
            for step in plan.steps:
                source = step.arguments.get(name)
                if step.tool == tool.name and source is not None and source.by in ("told", "const"):
                    return source.value if source.by == "const" else self._goal.values[source.name]
        return next((goal.values[name] for goal in self._task.goals if name in goal.values), None)

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
            if any(_place(about, question) is not None for question in questions):
                found.append(name)
        return found

    def _tell(self, name: str) -> str:
        if name in self._goal.tells:
            return self._goal.tells[name]
        first = self._goal.reversal.first if self._goal.reversal is not None and not self._turned else {}
        value = str(first.get(name, self._goal.values[name]))
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            value = say_day(value, self._task.persona.dates, self._today)
        return f"It's {value}."
