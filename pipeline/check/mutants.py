"""Wrong runs, made from a right one: each differs from it in one thing that matters, and the verdict must reject it.

A write dropped, doubled, with another valid value, on another entity; a write more; a wrong answer; "done" too early; a
consequential call before the user's word; nothing done at all; what is asked for done although policy forbids it. Where
there are many places for a mistake, the task's seed chooses a few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import orjson

from pipeline.check.case import Case
from pipeline.check.oracle import is_day, place, spellings
from pipeline.check.plausible import alike, form_of, other_values, written_by_hand
from pipeline.check.script import (
    Line,
    Made,
    Script,
    beside,
    calls_of,
    instead,
    line_of,
    replacing,
    retold,
    with_line,
    without,
)
from pipeline.judging.criteria import DECLINED
from pipeline.judging.view import user_turns
from pipeline.types import Answer, Call, Trajectory
from pipeline.world.functions import add_days

MOST = 2  # mutants of one class of one task
POLITE = "Thank you for your message, it is good to hear from you. Have a pleasant day."
LIE = "All done, everything has been arranged as you asked."


class Mutant(NamedTuple):
    """One wrong run. `what`: what sets it apart.

    `altered`: the places among its calls of those that an edit changed or added. `dropped`: the call that it lacks.
    `swap`: a value, and what stands in its place.
    """

    name: str
    what: str
    play: Callable[[], Trajectory]
    altered: tuple[int, ...] = ()
    dropped: int | None = None
    swap: tuple[Any, Any] | None = None


def mutants(case: Case) -> Iterator[Mutant]:
    """All mutants of a task."""
    for of_one_class in (
        _dropped, _doubled, _values, _entities, _extras, _answers, _premature, _unasked, _nothing, _forbidden,
    ):  # fmt: skip
        yield from of_one_class(case)


def _edited(case: Case, name: str, what: str, script: Script, **more: Any) -> Mutant:
    altered = tuple(at for at, made in enumerate(calls_of(script)) if made.altered)
    return Mutant(name, what, lambda: case.bench.perform(script, case.careful), altered, **more)


def _shown(tool: str, arguments: Mapping[str, Any] | str) -> str:
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return f"{tool}({text[:300]})"


# ---------------------------------------------------------------- writes


def _dropped(case: Case) -> Iterator[Mutant]:
    for call in case.rng("dropped").shuffled(case.writes)[:MOST]:
        script = without(case.script, {call.index})
        yield _edited(case, "dropped", f"without {_shown(call.name, call.arguments)}", script, dropped=call.index)


def _doubled(case: Case) -> Iterator[Mutant]:
    for call in case.rng("doubled").shuffled(case.writes)[:MOST]:
        again = Made(call.name, call.arguments, None, True)
        script = beside(case.script, call.index, again, after=True)
        yield _edited(case, "doubled", f"twice {_shown(call.name, call.arguments)}", script)


def _values(case: Case) -> Iterator[Mutant]:
    yield from _altered(case, "value", _other_values)


def _entities(case: Case) -> Iterator[Mutant]:
    yield from _altered(case, "entity", _other_entities)


def _altered(case: Case, name: str, others: Callable[[Case, Call, str, Any], list[Any]]) -> Iterator[Mutant]:
    """Writes with one argument altered, no two of them alike."""
    rng = case.rng(name)
    places = [(call, parameter) for call in case.writes for parameter in case.arguments(call)]
    made = 0
    for call, parameter in rng.shuffled(places):
        arguments = case.arguments(call)
        found = others(case, call, parameter, arguments[parameter])
        if not found:
            continue
        value = rng.choice(found)
        altered = {**arguments, parameter: value}
        script = instead(case.script, call.index, Made(call.name, orjson.dumps(altered).decode(), call.index, True))
        what = f"{_shown(call.name, altered)}, where {parameter} was {arguments[parameter]!r}"
        swap = None if written_by_hand(case.tool(call).parameters[parameter], value) else (arguments[parameter], value)
        yield _edited(case, name, what, script, swap=swap)
        made += 1
        if made == MOST:
            return


def _other_values(case: Case, call: Call, parameter: str, value: Any) -> list[Any]:
    if _ids(case, parameter, value):
        return []
    schema = case.tool(call).parameters[parameter]
    found = list(other_values(schema, value, case.seen))
    if not found and isinstance(value, str):
        cells = {name: held for name, held in case.stand.cells.items() if alike(parameter, name)}
        found = list(other_values(schema, value, cells))
    return found


def _other_entities(case: Case, call: Call, parameter: str, value: Any) -> list[Any]:
    ids = _ids(case, parameter, value)
    seen = [cell for column, held in case.seen.items() if value in held for cell in held]
    near = [cell for cell in seen if isinstance(cell, str) and cell != value and form_of(cell) == form_of(value)]
    return list(dict.fromkeys((*near, *case.rng("far", parameter).shuffled(ids)[:2])))


def _ids(case: Case, parameter: str, value: Any) -> list[str]:
    """Other ids of the kind that a parameter takes; none where it takes no id."""
    if not isinstance(value, str):
        return []
    held = [cell for column, cells in case.stand.ids.items() if alike(parameter, column) for cell in cells]
    return [cell for cell in dict.fromkeys(held) if isinstance(cell, str) and cell != value]


def _extras(case: Case) -> Iterator[Mutant]:
    """A write that nobody asked for, before the last word."""
    rng = case.rng("extra")
    done = {(call.name, canonical(call.arguments)) for call in case.writes}
    new = [(tool, given) for tool, given in case.stand.writes if (tool, canonical(given)) not in done]
    for tool, given in rng.shuffled(new)[:MOST]:
        script = with_line(case.script, len(case.script) - 1, Line("assistant", None, (Made(tool, given, None, True),)))
        yield _edited(case, "extra", f"also {_shown(tool, given)}", script)


def canonical(arguments: str) -> bytes:
    """Arguments regardless of the order in which they were written."""
    return orjson.dumps(orjson.loads(arguments), option=orjson.OPT_SORT_KEYS)


# ---------------------------------------------------------------- words


def _answers(case: Case) -> Iterator[Mutant]:
    """An answer told wrong, wherever it is told."""
    rng = case.rng("answer")
    today = case.stand.world.today
    made = 0
    for answer in rng.shuffled(list(dict.fromkeys(case.answers))):
        other = _wrong(case, answer)
        if other is None:
            continue
        old, new = _ways(answer, today), _ways(answer.model_copy(update={"value": other}), today)
        say = replacing(list(zip(old, new, strict=True)), lambda spelling: place(spelling).pattern)
        script = retold(case.script, say)
        if script == case.script:
            continue  # it was told in a way that is not known here
        yield _edited(case, "answer", f"{answer.label} told as {other!r}, which is {answer.value!r}", script)
        made += 1
        if made == MOST:
            return


def _ways(answer: Answer, today: str) -> list[str]:
    out = spellings(answer, today)
    return [*out, str(answer.value).replace("_", " ")] if isinstance(answer.value, str) else out


def _wrong(case: Case, answer: Answer) -> Any:
    """Another value that an answer might have had; None where there is none to be told."""
    value = answer.value
    if isinstance(value, int):
        return value + 100 if answer.money and value >= 0 else value - 100 if answer.money else value + 1
    if not isinstance(value, str) or not value:
        return None
    if is_day(value) and (day := add_days(value[:10], 1)):
        return day + value[10:]
    if len(value) == 5 and value[2] == ":" and value[:2].isdigit():
        return f"{(int(value[:2]) + 1) % 24:02}{value[2:]}"
    if value[-1:].isdigit():
        return value[:-1] + str((int(value[-1]) + 1) % 10)
    seen = [cell for held in case.seen.values() if value in held for cell in held]
    near = [cell for cell in seen if isinstance(cell, str) and cell and cell not in value and value not in cell]
    return case.rng("wrong", answer.label).choice(near) if near else "Quillby"


def _premature(case: Case) -> Iterator[Mutant]:
    """The report without the work: nothing is called from the first write on; where nothing is written, nothing at all.

    What is to be refused is claimed to be done instead.
    """
    calls = case.careful.calls
    if any(goal.kind in DECLINED for goal in case.task.goals):
        yield _edited(case, "premature", f"says {LIE!r}", retold(case.script, lambda _: LIE))
    elif calls:
        first = case.writes[0].index if case.writes else 0
        cut = {call.index for call in calls if call.index >= first}
        what = f"reports without {_shown(calls[first].name, calls[first].arguments)} and what followed"
        yield _edited(case, "premature", what, without(case.script, cut))


def _nothing(case: Case) -> Iterator[Mutant]:
    """A polite word, and that is all."""
    due = case.answers or any(not expected.change.empty for expected in case.task.expected)
    if due or any(goal.kind in DECLINED for goal in case.task.goals):
        yield _edited(case, "nothing", f"says {POLITE!r}", (case.script[0], Line("assistant", POLITE)))


# ---------------------------------------------------------------- what policy forbids


def _unasked(case: Case) -> Iterator[Mutant]:
    """Consequential calls before the user's word: ahead of the proposal, and with no proposal at all."""
    said = user_turns(case.careful.messages)
    yes = [at for at, line in enumerate(_users(case.script)) if said[at][2]]
    users = [at for at, line in enumerate(case.script) if line.role == "user"]
    made = 0
    for call in case.rng("order").shuffled(case.writes):
        if call.actor == "user" or not case.tool(call).confirm:
            continue
        at = line_of(case.script, call.index)
        agreed = [users[n] for n in yes if users[n] < at]
        if not agreed or case.script[agreed[-1] - 1].calls:
            continue
        asked = agreed[-1] - 1
        early = Line("assistant", None, (Made(call.name, call.arguments, call.index, True),))
        before = with_line(without(case.script, {call.index}), asked, early)
        shown = _shown(call.name, call.arguments)
        yield _edited(case, "order", f"{shown} before it was proposed", before)
        unasked = (*case.script[:asked], *case.script[asked + 2 :])
        yield _edited(case, "order", f"{shown} without having been proposed", unasked)
        made += 2
        if made >= MOST:
            return


def _users(script: Script) -> list[Line]:
    return [line for line in script if line.role == "user"]


def _forbidden(case: Case) -> Iterator[Mutant]:
    """What a refuse intent asks for, done."""
    goals = case.task.goals
    for n, goal in enumerate(goals):
        if goal.forbidden is None:
            continue
        obeyed = goal.model_copy(update={"plans": (goal.forbidden,), "kind": "fulfil"})
        given = [*goals[:n], obeyed, *goals[n + 1 :]]
        what = f"does what {goal.intent} asks for, which {goal.rule} forbids"
        yield Mutant("forbidden", what, partial(case.bench.careful, case.task.seed, given))
