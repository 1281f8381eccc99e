"""A right run as a script that can be edited: whose words, which calls, and which call of the right run each one is.

Mutants and variants are edits of a careful expert's run, executed anew. The ids of new rows may differ then (a row more
before them, another number to begin with), so what the careful run called one thing is renamed as soon as the new run
shows what it is called there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from engine.types import Message
from pipeline.rollout.recital import Turn, turns_of
from pipeline.types import Trajectory
from pipeline.world import Outcome


class Made(NamedTuple):
    """A call. `origin`: which call of the careful run it is, if any. `altered`: an edit changed or added it."""

    tool: str
    arguments: str
    origin: int | None = None
    altered: bool = False


class Line(NamedTuple):
    """One message, with the calls that the agent makes in it, or the user before it."""

    role: Literal["user", "assistant"]
    text: str | None = None
    calls: tuple[Made, ...] = ()


Script = tuple[Line, ...]


def script_of(careful: Trajectory) -> Script:
    """The script of a run."""
    lines, index = [], 0
    for role, text, calls in turns_of(careful):
        made = tuple(Made(tool, arguments, index + k) for k, (tool, arguments) in enumerate(calls))
        index += len(made)
        lines.append(Line(role, text, made))
    return tuple(lines)


def turns(script: Script) -> list[Turn]:
    """The script as it is recited."""
    return [Turn(role, text, tuple((made.tool, made.arguments) for made in calls)) for role, text, calls in script]


def calls_of(script: Script) -> Iterator[Made]:
    """All calls, in their order."""
    return (made for line in script for made in line.calls)


def line_of(script: Script, origin: int) -> int:
    """The line in which a call of the careful run is made."""
    return next(at for at, line in enumerate(script) if any(made.origin == origin for made in line.calls))


# ---------------------------------------------------------------- edits


def without(script: Script, origins: Collection[int]) -> Script:
    """The script without these calls; an agent's message that only made them goes, too."""
    out = []
    for line in script:
        left = tuple(made for made in line.calls if made.origin not in origins)
        if left or line.role == "user" or not line.calls:
            out.append(line._replace(calls=left))
    return tuple(out)


def instead(script: Script, origin: int, made: Made) -> Script:
    """The script with another call in the place of one."""
    return tuple(
        line._replace(calls=tuple(made if old.origin == origin else old for old in line.calls)) for line in script
    )


def beside(script: Script, origin: int, made: Made, *, after: bool) -> Script:
    """The script with one call more before or after one: in a message of its own, or by the user's hand beside it."""
    at = line_of(script, origin)
    line = script[at]
    if line.role == "user":
        place = next(k for k, old in enumerate(line.calls) if old.origin == origin) + after
        line = line._replace(calls=(*line.calls[:place], made, *line.calls[place:]))
        return (*script[:at], line, *script[at + 1 :])
    return with_line(script, at + after, Line("assistant", None, (made,)))


def with_line(script: Script, at: int, *lines: Line) -> Script:
    """The script with lines put before the one at `at`."""
    return (*script[:at], *lines, *script[at:])


def retold(script: Script, say: Callable[[str], str], role: Literal["user", "assistant"] = "assistant") -> Script:
    """The script with one side's texts changed."""
    return tuple(line._replace(text=say(line.text)) if line.role == role and line.text else line for line in script)


def replacing(pairs: Sequence[tuple[str, str]], form: Callable[[str], str] = re.escape) -> Callable[[str], str]:
    """A function that replaces texts in one pass, the longest first. `form`: the pattern of each."""
    table = {old.casefold(): new for old, new in reversed(pairs)}
    ways = "|".join(form(old) for old in sorted({old for old, _ in pairs}, key=len, reverse=True))
    pattern = re.compile(ways, re.IGNORECASE)
    return lambda text: pattern.sub(lambda found: table[found[0].casefold()], text)


# ---------------------------------------------------------------- other names for the same


class Renames:
    """What is called otherwise in this run than in the careful one; to be asked as it goes on.

    Only ids of new rows by default: an altered call must not alter the report as well. `all_texts`: every text that
    differs in a result, for a run that differs in nothing but ids and clock.
    """

    def __init__(self, script: Script, careful: Trajectory, *, all_texts: bool = False) -> None:
        self._careful, self._all = careful, all_texts
        self._agents = [made.origin for line in script if line.role == "assistant" for made in line.calls]
        self._users = [made.origin for line in script if line.role == "user" for made in line.calls]
        self._new = {str(cell) for row in careful.change.inserts for cell in row.key if isinstance(cell, str)}
        self._names: dict[str, str] = {}
        self._rename: Callable[[str], str] | None = None
        self._read = self._results = 0

    def spell(self, text: str, messages: Sequence[Message]) -> str:
        """A text of the careful run as it is in this run, given what was heard so far."""
        for message in messages[self._read :]:
            if message.role == "tool":
                self._compare(self._agents[self._results], message.content or "")
                self._results += 1
        self._read = len(messages)
        if self._names and self._rename is None:
            self._rename = replacing(list(self._names.items()))
        return self._rename(text) if self._rename is not None else text

    def heard(self, outcome: Outcome) -> None:
        """What came of a call of the user's own."""
        origin = self._users.pop(0)
        if outcome.result is not None:
            self._compare(origin, outcome.result)

    def _compare(self, origin: int | None, result: str) -> None:
        was = None if origin is None else self._careful.calls[origin].result
        if was is None or was == result:
            return
        for before, now in _differences(orjson.loads(was), orjson.loads(result)):
            if (self._all or before in self._new) and self._names.get(before) != now:
                self._names[before] = now
                self._rename = None


def _differences(before: Any, now: Any) -> Iterator[tuple[str, str]]:
    """Texts that stand in the same place of two results and differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before:
            yield from _differences(before[name], now.get(name))
    elif isinstance(before, list) and isinstance(now, list):
        for one, other in zip(before, now, strict=False):
            yield from _differences(one, other)
    elif isinstance(before, str) and isinstance(now, str) and before != now:
        yield before, now
