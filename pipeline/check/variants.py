"""Right runs that are not the usual one: whatever harmless way is taken, the verdict must accept it.

Independent calls in another order; look-ups more than needed; a refused call, then corrected; a call that failed, made
again; another right plan, another accepted value; other words; courtesies; other ids and another clock. Each is a
careful run edited and executed anew, or another run of the careful expert's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from pipeline.check.case import Case
from pipeline.check.oracle import is_day, place, spellings
from pipeline.check.plausible import form_of, objects_in
from pipeline.check.script import Line, Made, Script, beside, calls_of, replacing, retold, with_line
from pipeline.domain import Tool
from pipeline.identity import derive_seed
from pipeline.judging.view import user_turns
from pipeline.types import Call, FaultKind, Goal, Plan, PlannedFault, PlanStep, Source, Trajectory
from pipeline.wording import MONTHS
from pipeline.world.faults import plan_faults

MOST = 2  # variants of one class of one task
YES = ("Yes, please go ahead.", "That sounds right, please do.", "Yes, do that, please.")
BEFORE = ("Here is how things stand. ", "Thank you for waiting. ", "All right. ")
AFTER = (" I hope that helps.", " Please let me know if anything is unclear.", " Thank you for your patience.")


class Variant(NamedTuple):
    """One right run. `what`: what sets it apart. `fits`: whether it came about as meant; else it is no variant."""

    name: str
    what: str
    play: Callable[[], Trajectory]
    fits: Callable[[Trajectory], bool] = lambda _: True


def variants(case: Case) -> Iterator[Variant]:
    """All variants of a task."""
    for of_one_class in (_worded, _polite, _shifted, _extra_reads, _corrected, _recovered, _reordered, _alternatives):
        yield from of_one_class(case)


def _edited(
    case: Case,
    name: str,
    what: str,
    script: Script,
    fits: Callable[[Trajectory], bool] = lambda _: True,
    faults: Sequence[PlannedFault] = (),
) -> Variant:
    return Variant(name, what, partial(_perform, case, script, faults=faults), fits)


def _perform(case: Case, script: Script, **more: Any) -> Trajectory:
    return case.bench.perform(script, case.careful, **more)


def _refused(at: int, run: Trajectory) -> bool:
    return not run.calls[at].ok


def _struck(at: int, run: Trajectory) -> bool:
    return run.calls[at].fault is not None


# ---------------------------------------------------------------- words


def _worded(case: Case) -> Iterator[Variant]:
    """The expert in another mood; the same run in other words, and with dates and amounts written otherwise."""
    rng = case.rng("worded")
    yield mood(case, 0)
    before, after = rng.choice(BEFORE), rng.choice(AFTER)
    said = user_turns(case.careful.messages)
    yes = {text: rng.choice(YES) for _, text, confirms in said if confirms}
    respelled = retold(retold(case.script, lambda text: yes.get(text, text), "user"), _respelling(case))
    script = tuple(
        line._replace(text=f"{before}{line.text}{after}")
        if line.role == "assistant" and line.text and not line.calls and "?" not in line.text
        else line
        for line in respelled
    )
    what = f"{before!r} … {after!r}, and dates and amounts written otherwise"
    yield _edited(case, "worded", what, script)


def mood(case: Case, n: int) -> Variant:
    """The careful expert once more, another time."""
    seed = derive_seed(case.task.seed, "admission", "mood", n)
    return Variant("worded", f"the expert with seed {seed}", partial(case.bench.careful, seed))


def _respelling(case: Case) -> Callable[[str], str]:
    """The answers' values spelled in another way, where they occur in a text; small numbers only beside no date."""
    pairs, counts = [], []
    for answer in case.answers:
        ways = spellings(answer, case.stand.world.today)
        if isinstance(answer.value, int) and not answer.money:
            counts += [(ways[0], ways[1])] if ways[0] != ways[1] else []
        elif answer.money or is_day(str(answer.value)):  # a day in its four ways; a time of day stays as it is
            ways = ways if answer.money else ways[:4] if len(str(answer.value)) == 10 else ways[1:4]
            pairs += [(way, other) for way, other in zip(ways, (*ways[1:], ways[0]), strict=True) if way != other]

    def say(text: str) -> str:
        dated = any(month in text for month in MONTHS)
        now = pairs if dated else pairs + counts
        return replacing(now, lambda spelling: place(spelling).pattern)(text) if now else text

    return say


def _polite(case: Case) -> Iterator[Variant]:
    """Courtesies: before anything is done, between the user's word and the deed, and at the end."""
    opening = (
        Line("assistant", "Hello, and thank you for getting in touch. Let me look into that for you."),
        Line("user", "Thank you, take your time."),
    )
    last = (Line("user", "Great, thank you very much!"), Line("assistant", "You're welcome. Have a lovely day."))
    around = (*with_line(case.script, 1, *opening), *last)
    ways = [("greets first, and thanks at the end", around)]
    said = user_turns(case.careful.messages)
    users = [at for at, line in enumerate(case.script) if line.role == "user"]
    agreed = [at for at, (_, _, confirms) in zip(users, said, strict=True) if confirms]
    if agreed:
        between = (Line("assistant", "Thank you. One moment, please."), Line("user", "Of course, no hurry."))
        ways.append(("asks for a moment after the user's yes", with_line(case.script, agreed[0] + 1, *between)))
    what, script = case.rng("polite").choice(ways)
    yield _edited(case, "polite", what, script)


def _shifted(case: Case) -> Iterator[Variant]:
    """Other ids for all that is new, and a later clock."""
    shift = case.rng("shifted").between(3, 40)
    what = f"ids and clock moved on by {shift}"
    yield Variant("shifted", what, partial(_perform, case, case.script, shift=shift))


# ---------------------------------------------------------------- calls more


def _extra_reads(case: Case) -> Iterator[Variant]:
    """A look-up made twice, or another one of what the run showed: before the last word, when all is done."""
    rng = case.rng("reads")
    found = [(call.name, call.arguments) for call in case.reads]
    used = {call.name for call in case.careful.calls}
    for compiled in case.stand.compiled.tools.values():
        tool = compiled.spec
        known = {name: case.seen.get(name) for name in tool.required}
        if tool.actor == "agent" and not tool.effects and tool.name not in used and known and all(known.values()):
            given = {name: rng.choice(cells) for name, cells in known.items() if cells}
            found.append((tool.name, orjson.dumps(given).decode()))
    for name, arguments in rng.shuffled(found)[:1]:
        line = Line("assistant", None, (Made(name, arguments),))
        script = with_line(case.script, len(case.script) - 1, line)
        yield _edited(case, "extra_reads", f"also {name}({arguments})", script)


def _corrected(case: Case) -> Iterator[Variant]:
    """A call with an id that does not exist or without something that it needs; refused, and then made as it should."""
    rng = case.rng("corrected")
    able = [call for call in case.careful.calls if call.actor == "agent" and call.ok and case.arguments(call)]
    for call in rng.shuffled(able)[:1]:
        wrong = _refusable(case.tool(call), case.arguments(call), rng.chance(0.5))
        script = beside(case.script, call.index, Made(call.name, orjson.dumps(wrong).decode()), after=False)
        what = f"first {call.name}({orjson.dumps(wrong).decode()}), which is refused"
        yield _edited(case, "corrected", what, script, fits=partial(_refused, _at(case, call)))


def _at(case: Case, call: Call) -> int:
    """The place of a call among all calls: of one that is put before it, once it is."""
    return next(at for at, made in enumerate(calls_of(case.script)) if made.origin == call.index)


def _refusable(tool: Tool, arguments: dict[str, Any], unknown: bool) -> dict[str, Any]:
    """Arguments that nearly do: an id that does not exist, or one argument left out."""
    ids = [
        n for n, v in arguments.items() if isinstance(v, str) and (n.endswith("_id") or n == "email" or form_of(v) != v)
    ]
    ids = [name for name in ids if "format" not in tool.parameters[name] and " " not in arguments[name]]
    if ids and unknown:
        value = arguments[ids[0]]
        other = form_of(value).replace("#", "99999") if "#" in form_of(value) else f"x{value}"
        return {**arguments, ids[0]: other}
    needed = [name for name in arguments if name in tool.required] or list(arguments)
    return {name: value for name, value in arguments.items() if name != needed[-1]}


def _recovered(case: Case) -> Iterator[Variant]:
    """A call that fails without effect, or whose page is cut short, and is then made again; and the expert's way."""
    rng = case.rng("recovered")
    first: dict[str, Call] = {}  # a planned fault strikes the first call of its tool
    for call in case.careful.calls:
        if call.actor == "agent" and call.ok:
            first.setdefault(call.name, call)
    writing = [call for call in first.values() if call.wrote]
    for call in rng.shuffled(writing if writing and rng.chance(0.6) else list(first.values()))[:1]:
        kinds: list[FaultKind] = ["rate_limit", "transient"]
        if not call.wrote and isinstance(page := orjson.loads(call.result or "null"), list) and len(page) > 1:
            kinds.append("truncated")
        fault = PlannedFault(tool=call.name, kind=rng.choice(kinds))
        script = beside(case.script, call.index, Made(call.name, call.arguments), after=False)
        what = f"{call.name} meets a {fault.kind} fault and is called again"
        yield _edited(case, "recovered", what, script, faults=[fault], fits=partial(_struck, _at(case, call)))
    planned = plan_faults(case.task.goals, rng) if case.task.kind == "recover" else ()
    if planned:
        what = "the expert recovers from " + " and ".join(f"{fault.tool}: {fault.kind}" for fault in planned)
        play = partial(case.bench.careful, case.task.seed, faults=planned)
        yield Variant("recovered", what, play, lambda run: run.n_faults > 0)


# ---------------------------------------------------------------- another way


def _reordered(case: Case) -> Iterator[Variant]:
    """Neighbours that have nothing to do with each other, the other way around: two writes, or two look-ups."""
    found = [at for at in range(len(case.script) - 1) if _independent(case, case.script[at], case.script[at + 1])]
    writes = {call.index for call in case.writes}
    found.sort(key=lambda at: case.script[at].calls[0].origin not in writes)
    for at in found[:1]:
        one, two = case.script[at], case.script[at + 1]
        script = (*case.script[:at], two, one, *case.script[at + 2 :])
        what = f"{two.calls[0].tool} before {one.calls[0].tool}"
        yield _edited(case, "reordered", what, script, fits=case.bench.keeps_rules)  # a rule may speak of the order
    yield from _other_plans(case, "reordered", lambda plan: plan.name == "reordered")


def _independent(case: Case, one: Line, two: Line) -> bool:
    """Whether nothing goes from one message's calls to the next one's: no value, and nothing in a table."""
    if not (one.calls and two.calls and one.role == two.role == "assistant"):
        return False
    compiled = case.stand.compiled.tools
    for a in one.calls:
        for b in two.calls:
            first, second = compiled[a.tool], compiled[b.tool]
            if bool(first.writes) != bool(second.writes):
                return False  # what is looked up first may be a rule's
            if first.writes & (second.reads | second.writes) or second.writes & first.reads:
                return False
            shown = (cell for row in objects_in(_result(case, a)) for cell in row.values() if cell is not None)
            if any(len(str(cell)) > 2 and str(cell) in b.arguments and str(cell) not in a.arguments for cell in shown):
                return False
    return True


def _result(case: Case, made: Made) -> Any:
    return None if made.origin is None else orjson.loads(case.careful.calls[made.origin].result or "null")


def _alternatives(case: Case) -> Iterator[Variant]:
    """Each other right plan, and other values where several are accepted."""
    yield from _other_plans(case, "alternative", lambda plan: plan.name != "reordered")
    made = 0
    for n, goal in enumerate(case.task.goals):
        for name, value in case.rng("accepted", n).shuffled(_accepted(case, goal)):
            other = _choosing(goal, name, value)
            if other is not None and made < MOST:
                made += 1
                yield _by_goals(case, "alternative", f"{goal.intent} with {name} {value!r}", n, other)


def _other_plans(case: Case, name: str, wanted: Callable[[Plan], bool]) -> Iterator[Variant]:
    found = [(n, plan) for n, goal in enumerate(case.task.goals) for plan in goal.plans[1:] if wanted(plan)]
    for n, plan in case.rng(name, "plans").shuffled(found)[:MOST]:
        goal = case.task.goals[n]
        yield _by_goals(case, name, f"{goal.intent} by {plan.name}", n, goal.model_copy(update={"plans": (plan,)}))


def _by_goals(case: Case, name: str, what: str, n: int, goal: Goal) -> Variant:
    goals = [*case.task.goals[:n], goal, *case.task.goals[n + 1 :]]
    return Variant(name, what, partial(case.bench.careful, case.task.seed, goals))


def _accepted(case: Case, goal: Goal) -> list[tuple[str, Any]]:
    """The values that a right outcome takes in the place of drawn ones."""
    found: dict[tuple[str, Any], None] = {}
    for expected in case.task.expected:
        for _, bindings in expected.checks:
            if bindings.keys() == goal.values.keys():
                other = {name: value for name, value in bindings.items() if value != goal.values[name]}
                if len(other) == 1:
                    found.update(dict.fromkeys(other.items()))
    return list(found)


def _choosing(goal: Goal, name: str, value: Any) -> Goal | None:
    """The goal for an expert that takes this value of a list where it would take the first; None if words forbid it."""
    plan = goal.plans[0]
    lists = {s.name for step in plan.steps for s in step.arguments.values() if _first_of(s) == name}
    words = " ".join((*goal.says.propose, *goal.says.report))
    if not lists or any(f"{result}.0." in words or f"{result}[0]" in words for result in lists):
        return None
    where = {name: Source(by="const", value=value)}

    def chosen(source: Source) -> Source:
        if source.name not in lists or _first_of(source) is None:
            return source
        return source.model_copy(update={"path": (source.path[-1],), "where": where, "pick": "only"})

    def step_chosen(step: PlanStep) -> PlanStep:
        return step.model_copy(update={"arguments": {n: chosen(s) for n, s in step.arguments.items()}})

    steps = tuple(map(step_chosen, plan.steps))
    finds = {n: chosen(s) for n, s in plan.finds.items()}
    return goal.model_copy(update={"plans": (plan.model_copy(update={"steps": steps, "finds": finds}),)})


def _first_of(source: Source) -> str | None:
    """The column of which a source takes the first value in a list; None where it takes something else."""
    last = source.path[-1] if source.path else None
    if source.by != "seen" or not isinstance(last, str):
        return None
    at_first = source.path[:-1] == (0,) or (len(source.path) == 1 and source.pick == "first" and not source.where)
    return last if at_first else None
