"""A hand-checked case as it is played: its words and arguments, filled in with the draw and what was seen by then."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine.types import Message, canonical_json
from pipeline.errors import BadInput
from pipeline.rollout.recital import Turn
from pipeline.trust.cases import Cases
from pipeline.types import Call, Cell, Task, Trajectory
from pipeline.wording import render
from pipeline.world import Outcome

_NAME = re.compile(r"\$(\w+(?:\.\w+)*)")


def _own_result(result: str | None, error: str | None) -> Any:
    return {"error": error} if result is None else orjson.loads(result)


def _refusal(call: Call) -> str:
    return f"{call.name}({call.arguments}) does not succeed: {call.error}"


class Script:
    """One case being played: turns its words and arguments into what is said, when it is due.

    The turns that are recited hold marks (`2` for the words of turn 2, `2.0` for its first call), so that each mark is
    filled in with what had been heard at its place.
    """

    def __init__(self, cases: Cases, number: int, task: Task, today: str, currency: str) -> None:
        self._cases, self._number, self._case = cases, number, cases.cases[number]
        self._task, self._today, self._currency = task, today, currency
        self._goal = 0
        self._own: list[tuple[str | None, str | None]] = []  # the user's calls: result, error
        self._values: dict[str, Cell] = {"today": today}
        for n, goal in enumerate(task.goals, start=1):
            for name, value in goal.values.items():
                self._values.setdefault(name, value)
                if n > 1:
                    self._values[f"{name}_{n}"] = value

    def turns(self) -> list[Turn]:
        """The turns to recite, with marks in place of words and arguments; a message for each call."""
        out = []
        for t, turn in enumerate(self._case.turns):
            calls = [(call.tool, f"{t}.{c}") for c, call in enumerate(turn.made)]
            if turn.user is not None:
                out.append(Turn("user", str(t), tuple(calls)))
                continue
            words = None if turn.agent is None else str(t)
            out.append(Turn("assistant", words, tuple(calls[:1])))
            out += [Turn("assistant", None, (call,)) for call in calls[1:]]
        return out

    def heard(self, outcome: Outcome) -> None:
        """A call of the user's own came to this."""
        self._own.append((outcome.result, outcome.error))

    def spell(self, mark: str, messages: Sequence[Message]) -> str:
        """What stands at a mark. Raises BadInput with the line of what cannot be filled in."""
        t, _, c = mark.partition(".")
        turn = self._case.turns[int(t)]
        known = {**self._values, **self._results(messages, int(t))}
        if c:
            call = turn.made[int(c)]
            where = self._at(int(t), "does" if turn.does else "calls", int(c))
            if isinstance(call.arguments, str):
                return call.arguments
            return canonical_json({name: self._value(value, known, where) for name, value in call.arguments.items()})
        if turn.user is not None:
            return self._user(turn.user, known, self._at(int(t), "user"))
        return self._text(turn.agent or "", known, self._at(int(t), "agent"))

    def check(self, trajectory: Trajectory) -> None:
        """Raises BadInput where the calls did not go as the case says they do."""
        if trajectory.status != "ok":
            raise BadInput(f"ends as {trajectory.status}: {trajectory.failure}", where=self._at())
        made = iter(trajectory.calls)
        for t, turn in enumerate(self._case.turns):
            for c, (written, call) in enumerate(zip(turn.made, made, strict=False)):
                if call.fault is None and call.ok == written.refused:
                    what = f"{call.name}({call.arguments}) succeeds" if call.ok else _refusal(call)
                    remedy = "Leave out `refused: true`." if call.ok else "Mend the call, or say `refused: true`."
                    raise BadInput(what, where=self._at(t, "does" if turn.does else "calls", c), remedy=remedy)
        struck = [(call.name, call.fault) for call in trajectory.calls if call.fault is not None]
        for n, fault in enumerate(self._case.faults):
            if (fault.tool, fault.kind) not in struck:
                what = f"{fault.kind} strikes no call of {fault.tool}"
                raise BadInput(what, where=self._cases.at(self._number, "faults", n))

    # ------------------------------------------------------------ what a mark stands for

    def _at(self, *path: str | int) -> str:
        where = self._cases.at(self._number, *(("turns", *path) if path else ("name",)))
        return f"{where}: {self._case.name}"

    def _results(self, messages: Sequence[Message], before: int) -> dict[str, Any]:
        """What earlier calls gave, by the names they were given; an error is a BadInput once it is asked for."""
        seen = (orjson.loads(message.content or "null") for message in messages if message.role == "tool")
        own = (_own_result(result, error) for result, error in self._own)
        out: dict[str, Any] = {}
        for turn in self._case.turns[: before + 1]:
            for written, result in zip(turn.made, own if turn.does else seen, strict=False):
                if written.save_as is not None:
                    out[written.save_as] = result
        return out

    def _value(self, value: Any, known: Mapping[str, Any], where: str) -> Any:
        if isinstance(value, dict):
            return {name: self._value(part, known, where) for name, part in value.items()}
        if isinstance(value, list):
            return [self._value(part, known, where) for part in value]
        if not isinstance(value, str):
            return value
        if (match := _NAME.fullmatch(value)) is None:
            return self._text(value, known, where) if "{" in value else value
        found: Any = known
        for part in match[1].split("."):
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (LookupError, TypeError, ValueError):
                shown = f" in {orjson.dumps(found).decode()[:200]}" if found is not known else ""
                names = f"Names: {', '.join(sorted(known))}." if found is known else ""
                raise BadInput(f"{value}: there is no {part}{shown}", where=where, remedy=names) from None
        return found

    def _user(self, word: str, known: Mapping[str, Any], where: str) -> str:
        """The user's words: the task's own where the case names them."""
        if word == "next":
            self._goal += 1
            if self._goal == len(self._task.goals):
                raise BadInput("there is no next request", where=where)
        goal = self._task.goals[self._goal]
        if word.startswith("tell:"):
            fact = word.removeprefix("tell:")
            if fact not in goal.tells:
                raise BadInput(f"{goal.intent} does not tell {fact!r}", where=where, remedy="Write the words instead.")
            return goal.tells[fact]
        own = {
            "opening": goal.opening,
            "next": goal.opening,
            "push": goal.push,
            "turn": goal.reversal.says if goal.reversal is not None else None,
        }
        if word not in own:
            return self._text(word, known, where, self._task.persona.dates)
        text = own[word]
        if text is None:
            raise BadInput(f"this task has no words for {word!r}", where=where, remedy="Write the words instead.")
        return text

    def _text(self, text: str, known: Mapping[str, Any], where: str, style: str = "weekday") -> str:
        try:
            return render(text, known, style=style, today=self._today, currency=self._currency, loops=True)
        except BadInput as error:
            raise BadInput(error.what, where=where, remedy=f"Names: {', '.join(sorted(known))}.") from None
