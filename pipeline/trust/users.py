"""What a user simulator did wrong, by program, over a finished conversation; the scripted user should do none of it.

* `tells_too_much`: says what it was told to hold back (a fact that is never told, one that waits for a question, or a
  value that only the verifier knows) before anybody else said it.
* `contradicts`: gives a fact another value than it has, or says a number, day, time, code or address from
  nowhere.
* `stops_early`: goes although it is being asked for its word, or before it has said all that it came for.
* `plays_the_agent`: offers help, reports what it did in the system, writes calls.
* `makes_no_sense`: does not answer a question for what it knows, asked in the domain's own words; says that it does not
  know when asked for its word; does not do what it is asked to with a tool of its own.

Whoever simulates users is held to the same rules. The rules err to the user's side: what could have been meant well is
no error, and free text is not understood beyond the values in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from engine.types import Message
from pipeline.domain import Asked, Tool
from pipeline.errors import BadInput
from pipeline.judging.communicated import value_told
from pipeline.judging.grounds import Grounds
from pipeline.judging.speech import declines
from pipeline.reading import reader
from pipeline.types import Call, Cell, Goal, Task, Trajectory
from pipeline.wording import fold

UserErrorKind = Literal["tells_too_much", "contradicts", "stops_early", "plays_the_agent", "makes_no_sense"]
_PROPOSAL = re.compile(
    r"""(?:\b(?:shall|should|may|can)\ i\ (?!help|assist|do\ anything) | \b(?:like|want)\ me\ to\b
    | \bdo\ you\ (?:agree|confirm)\b | \bis\ (?:that|this)\ (?:right|correct|ok|okay|fine)\b )[^?]*\?""",
    re.VERBOSE | re.IGNORECASE,
)
_AS_AGENT = re.compile(
    r"""\bhow\ (?:can|may)\ i\ (?:help|assist)\ you | \banything\ else\ i\ can\ (?:help|assist|do)
    | \bi(?:'ve|\ have)\ (?:now\ |just\ )?(?:booked|cancelled|refunded|renewed|processed|updated|changed)
      \ (?:it|that|this|your)\b
    | \bi\ (?:can|will|would|'ll)\ (?:book|cancel|refund|renew|process|reserve)\ (?:it|that|this|your)\b.*\bfor\ you\b
    | \bshall\ i\ (?:book|cancel|refund|renew|process|reserve|go\ ahead)\b
    | \bas\ an?\ (?:ai|assistant|language\ model)\b | <\|?\s*tool | "arguments"\s*: """,
    re.VERBOSE | re.IGNORECASE,
)


class UserError(NamedTuple):
    """`at`: index of the message in the conversation (its length, where nothing was said)."""

    kind: UserErrorKind
    at: int
    detail: str


def user_errors(task: Task, trajectory: Trajectory, tools: Sequence[Tool] = ()) -> list[UserError]:
    """Every error of the user's in a conversation. `tools`: the domain's, for what is asked of the user's own hands."""
    talk = _Talk(task, trajectory)
    return [
        *_tells_too_much(talk),
        *_contradicts(talk),
        *_stops_early(talk),
        *_plays_the_agent(talk),
        *_makes_no_sense(talk, [tool for tool in tools if tool.asked is not None]),
    ]


class _Talk:
    """A conversation with what the user may know at each of its points."""

    def __init__(self, task: Task, trajectory: Trajectory) -> None:
        self.task, self.trajectory = task, trajectory
        self.said = [(at, m.content or "") for at, m in enumerate(trajectory.messages) if m.role == "user"]
        self.turned = [goal.reversal.first for goal in task.goals if goal.reversal is not None]

    def words(self, goal: Goal) -> Iterator[str]:
        """What the task itself gives a user to say of a goal."""
        yield goal.opening
        yield from goal.tells.values()
        yield from (text for text in (goal.push, goal.reversal and goal.reversal.says) if text)

    def heard(self, at: int) -> list[str]:
        """What anybody but the user had said or shown to the user before a message."""
        messages, turn = self.trajectory.messages, 0
        texts = [m.content or "" for m in messages[:at] if m.role == "assistant"]
        turn = len(texts)
        return texts + [call.result or call.error or "" for call in self.own if call.turn <= turn]

    @property
    def own(self) -> list[Call]:
        return [call for call in self.trajectory.calls if call.actor == "user"]

    def values_of(self, name: str) -> set[str]:
        """The values that a fact may be given: its own in any goal, and what is said before a mind is changed."""
        own = {fold(goal.values[name]) or "" for goal in self.task.goals if name in goal.values}
        return own | {fold(first[name]) or "" for first in self.turned if name in first}


# ---------------------------------------------------------------- the five classes


def _tells_too_much(talk: _Talk) -> Iterator[UserError]:
    goals = talk.task.goals
    open_to_say = {
        fold(value)
        for goal in goals
        for name, value in goal.values.items()
        if goal.facts.get(name) in ("opening", "asked")
    }
    for at, text in talk.said:
        given = [words for goal in goals for words in talk.words(goal)] + talk.heard(at)
        for goal in goals:
            for name, value in goal.values.items():
                held_back = goal.facts.get(name) not in ("opening", "asked")
                if (
                    held_back
                    and fold(value) not in open_to_say
                    and _distinct(value)
                    and _newly(name, value, text, given)
                ):
                    yield UserError("tells_too_much", at, f"{name} = {value!r}")
    if talk.said:
        at, text = talk.said[0]
        goal = goals[0]
        told = [str(goal.values[name]) for name, how in goal.facts.items() if how == "opening"]
        for name, how in goal.facts.items():
            value = goal.values[name]
            if how == "asked" and _distinct(value) and _newly(name, value, text, [goal.opening, *told]):
                yield UserError("tells_too_much", at, f"{name} = {value!r}, which nobody had asked for")


def _distinct(value: Cell) -> bool:
    """Whether a value is seldom said by chance."""
    return abs(value) > 12 if isinstance(value, int) else value is not None and len(value) >= 4 and _codelike(value)


def _codelike(value: str) -> bool:
    return any(c.isdigit() for c in value) or "@" in value


def _newly(name: str, value: Cell, text: str, given: Iterable[str]) -> bool:
    money = name.endswith("_cents")
    return value_told(value, text, money=money) and not any(value_told(value, old, money=money) for old in given)


def _contradicts(talk: _Talk) -> Iterator[UserError]:
    goals = talk.task.goals
    known = [str(value) for goal in goals for value in goal.values.values()]
    known += [str(value) for first in talk.turned for value in first.values()]
    known += [words for goal in goals for words in talk.words(goal)]
    for at, text in talk.said:
        for name, values in _told(goals, text).items():
            # several ways to say a fact may fit one message; one that reads a right value has read it rightly
            if (allowed := talk.values_of(name)) and not {fold(value) for value in values} & allowed:
                yield UserError("contradicts", at, f"{name} = {values[0]!r}, which is {', '.join(sorted(allowed))}")
        grounds = Grounds(users=known + talk.heard(at), rules=[], seen=[], agreed=[], today=None)
        for value in grounds.unknown_in(text):
            yield UserError("contradicts", at, f"{value} comes from nowhere")


def _told(goals: Sequence[Goal], text: str) -> dict[str, list[Cell]]:
    """The facts that a message gives in the domain's own words, with every value that these can be read as."""
    found: dict[str, list[Cell]] = {}
    for goal in goals:
        templates = [way for asked in goal.asked.values() for ways in asked.tell.values() for way in ways]
        for template in (*goal.templates, *templates):
            try:
                read = reader(template).read(text, "2000-01-01")
            except BadInput:
                continue
            for name, value in (read or {}).items():
                if not _dated(value):  # a day said without its year reads differently on another day
                    found.setdefault(name, []).append(value)
    return found


def _dated(value: Cell) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


def _stops_early(talk: _Talk) -> Iterator[UserError]:
    messages = talk.trajectory.messages
    if talk.trajectory.stop_reason != "user_done" or not messages:
        return
    last = messages[-1].content or ""
    if _PROPOSAL.search(last) and not declines(last):
        yield UserError("stops_early", len(messages), f"is asked for its word: {last[-120:]!r}")
    if talk.trajectory.user == "scripted":
        texts = [text for _, text in talk.said]
        for goal in talk.task.goals:
            if not any(goal.opening in text for text in texts):
                yield UserError("stops_early", len(messages), f"never says what it wants: {goal.intent}")


def _plays_the_agent(talk: _Talk) -> Iterator[UserError]:
    for at, text in talk.said:
        if found := _AS_AGENT.search(text.replace("’", "'")):
            yield UserError("plays_the_agent", at, found[0])


def _makes_no_sense(talk: _Talk, tools: Sequence[Tool]) -> Iterator[UserError]:
    goals, unknowns = talk.task.goals, set(talk.task.persona.unknowns)
    asked = [(name, how) for goal in goals for name, how in goal.asked.items() if goal.facts[name] != "never"]
    planned = {step.tool for goal in goals for plan in goal.plans for step in plan.steps if step.actor == "user"}
    turn = 0
    for at, message in enumerate(talk.trajectory.messages):
        turn += message.role == "assistant"
        reply = _next_user(talk.trajectory.messages, at) if message.role == "assistant" else None
        if reply is None:
            continue
        question = message.content or ""
        for name, how in asked:
            # several requests may ask for a fact of one name; whichever is at hand, its value answers
            if _in_own_words(question, how) and not any(
                _answered(talk, g, name, reply) for g in goals if name in g.asked
            ):
                yield UserError("makes_no_sense", at + 1, f"is asked for {name} and says {reply!r}")
        if _PROPOSAL.search(question) and reply in unknowns:
            yield UserError("makes_no_sense", at + 1, f"is asked for its word and says {reply!r}")
        for tool in tools:
            used = any(call.name == tool.name and call.turn == turn for call in talk.own)
            if tool.name in planned and not used and tool.asked is not None and _in_own_words(question, tool.asked):
                yield UserError("makes_no_sense", at + 1, f"is asked to use {tool.name} and says {reply!r}")


def _next_user(messages: Sequence[Message], at: int) -> str | None:
    after = messages[at + 1] if at + 1 < len(messages) else None
    return after.content or "" if after is not None and after.role == "user" else None


def _in_own_words(question: str, how: Asked) -> bool:
    """Whether a message asks for something in words that the domain itself gives for it."""
    return any(ask in question for ways in how.ask.values() for ask in ways if "{{" not in ask)


def _answered(talk: _Talk, goal: Goal, name: str, reply: str) -> bool:
    values: Mapping[str, Cell] = goal.values
    firsts = [first[name] for first in talk.turned if name in first]
    return goal.tells.get(name, "\0") in reply or any(
        value_told(value, reply, money=name.endswith("_cents")) for value in (values[name], *firsts)
    )
