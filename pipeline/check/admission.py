"""Admission of a task: its verifier proves itself before it is used, on both sides.

A careful expert passes. Wrong runs (`mutants`) fail; one that passes all the same is equivalent, or a survivor. Right
runs (`variants`) pass; one that does not is a false rejection. A task with a survivor or a false rejection is not used.

A mutant is equivalent only if what it added wrote nothing, or if the independent comparison of whole databases agrees
that it came to a right outcome and told what was due. That comparison knows the domain's compare modes, so a value that
such a mode hides is looked for by itself: a wrong value in a column that nobody compares is a survivor. Where it is the
state that is wrong, the state verdict must say so: a gate that happens to stop the same run (its value came from
nowhere) would not stop the next.
"""

from __future__ import annotations

from itertools import chain, count, takewhile
from typing import Any

from pipeline.check.bench import Bench
from pipeline.check.case import Case
from pipeline.check.mutants import Mutant, mutants
from pipeline.check.oracle import Truth
from pipeline.check.stand import Stand
from pipeline.check.variants import mood, variants
from pipeline.judging.criteria import DECLINED
from pipeline.types import Change, Task, Trajectory
from pipeline.verdicts import Admission, Misjudged, MutantTally, VariantTally, Verdict

LEAST = 6  # right runs besides the usual one; where too little happens to vary, the expert tries in other moods
LOOSE = ("text", "derived", "clock")  # compare modes under which any value will do
OF_STATE = ("dropped", "doubled", "value", "entity", "extra")  # classes that the state verdict itself must reject


def admit(task: Task, stand: Stand) -> Admission:
    """What a task's verdict makes of wrong runs and of right ones.

    Raises DomainDefect when a call of one of them failed outside a guard.
    """
    bench = Bench(task, stand)
    careful = bench.careful(task.seed)
    verdict = bench.verdict(careful)
    if verdict.passed is not True or verdict.state is None:
        wrong = Misjudged(name="gold", call="the careful expert's run", why=why(verdict, careful))
        return Admission(variants=(VariantTally(name="gold", made=1, accepted=0),), rejected=(wrong,))
    plan = verdict.state.plan
    case = Case(bench, careful, next(expected for expected in task.expected if expected.plan == plan))
    tried, rejected = _variants(case)
    made, survivors = _mutants(case)
    return Admission(mutants=made, variants=tried, survivors=survivors, rejected=rejected)


def why(verdict: Verdict, run: Trajectory) -> str:
    """Why a verdict is no pass, in a line."""
    differences = [str(d) for d in verdict.state.differences] if verdict.state else []
    gates = [f"{s.name}: {s.reason} {s.evidence}".strip() for s in verdict.scores if s.gates and s.passed is False]
    ended = [f"it ended as {run.status}: {run.failure}"] if run.status != "ok" else []
    return "; ".join((*ended, *differences[:3], *gates[:3])) or "it was not scored"


def _variants(case: Case) -> tuple[tuple[VariantTally, ...], tuple[Misjudged, ...]]:
    counts: dict[str, list[int]] = {"gold": [1, 1]}
    rejected = []
    moods = (mood(case, n) for n in count(1))
    several = chain(variants(case), takewhile(lambda _: sum(made for made, _ in counts.values()) <= LEAST, moods))
    for variant in several:
        run = variant.play()
        if not variant.fits(run):
            continue
        tally = counts.setdefault(variant.name, [0, 0])
        tally[0] += 1
        if case.bench.passes(run):
            tally[1] += 1
        else:
            rejected.append(Misjudged(name=variant.name, call=variant.what, why=why(case.bench.verdict(run), run)))
    return tuple(VariantTally(name=n, made=m, accepted=a) for n, (m, a) in counts.items()), tuple(rejected)


def _mutants(case: Case) -> tuple[tuple[MutantTally, ...], tuple[Misjudged, ...]]:
    counts: dict[str, list[int]] = {}
    survivors = []
    for mutant in mutants(case):
        run = mutant.play()
        tally = counts.setdefault(mutant.name, [0, 0, 0])
        tally[0] += 1
        if not case.bench.state_passes(run):
            tally[1] += 1
            continue
        stopped = not case.bench.gates_open(run)
        wrong = _wrong(case, mutant, run) if not stopped or mutant.name in OF_STATE else None
        if wrong is not None:
            survivors.append(Misjudged(name=mutant.name, call=mutant.what, why=wrong))
        else:
            tally[1 if stopped else 2] += 1
    tallies = (MutantTally(name=n, made=m, killed=k, equivalent=e) for n, (m, k, e) in counts.items())
    return tuple(tallies), tuple(survivors)


# ---------------------------------------------------------------- equivalent, or a survivor


def _wrong(case: Case, mutant: Mutant, run: Trajectory) -> str | None:
    """What is wrong with a mutant that passed; None when nothing is."""
    if mutant.name in ("doubled", "extra", "order", "forbidden") and not _wrote(mutant, run):
        return None
    if mutant.name == "order":
        return "a consequential call was made without the user's word, and it passes"
    if mutant.name in ("nothing", "premature") and any(goal.kind in DECLINED for goal in case.task.goals):
        return "what cannot be done was not declined in words, and it passes"
    if mutant.dropped is not None and not _changed(case.careful, mutant.dropped):
        return None
    if not run.calls and any(answer.tool for answer in case.answers):
        return "what only a call could tell was told without one, and it passes"
    truth = Truth(case.task, case.stand.world, case.stand.rows)
    if not truth.state_is_right(run):
        return "the final state is not a right one, and the state verdict passes it"
    if not truth.was_told(run):
        return "what was to be told was not told, and it passes"
    if mutant.swap is not None and (column := _hidden(case, mutant.swap, run)):
        return f"nothing compares {column}, where the value ends up"
    return None


def _wrote(mutant: Mutant, run: Trajectory) -> bool:
    """Whether a call that an edit changed or added changed anything; where none is named, whether any call did."""
    return any(_changed(run, at) for at in mutant.altered or range(len(run.calls)))


def _changed(run: Trajectory, at: int) -> bool:
    """Whether a call left the state another than it found it."""
    before = run.calls[at - 1].state_hash if at else None
    return run.calls[at].wrote and run.calls[at].state_hash != before


def _hidden(case: Case, swap: tuple[Any, Any], run: Trajectory) -> str | None:
    """A column that is hardly compared, in which the new value stands where the old one stood."""
    was, now = (_loose_cells(case, change) for change in (case.careful.change, run.change))
    old, new = map(str, swap)
    for column in sorted(was):
        held = any(_holds(cell, old) for cell in was[column]) and not any(_holds(cell, new) for cell in was[column])
        if held and any(_holds(cell, new) for cell in now.get(column, ())):
            return column
    return None


def _loose_cells(case: Case, change: Change) -> dict[str, list[str]]:
    """What a change wrote to columns in which any value will do, by table.column."""
    shapes = case.stand.compiled.shapes
    written = [(row.table, column, cell) for row in change.inserts for column, cell in row.row.items()]
    written += [(cell.table, cell.column, cell.after) for cell in change.updates]
    found: dict[str, list[str]] = {}
    for table, column, cell in written:
        if shapes[table].compare.get(column) in LOOSE and cell is not None:
            found.setdefault(f"{table}.{column}", []).append(str(cell))
    return found


def _holds(cell: str, value: str) -> bool:
    return cell == value or (len(value) >= 4 and value in cell)
