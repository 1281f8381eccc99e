"""Rung `mutation`: nothing in a tool can go wrong unnoticed.

Each guard is dropped in turn: an example that it refused must then come out otherwise. Each written column is bent in
turn (`pipeline.check.bend`): an example's `then:`, an invariant, or a check of an intent whose plan calls the tool must
object, or the bent call must break a constraint. A domain whose tests would not notice is one whose verdicts cannot be
believed: the gold is executed by the same tools, so a wrong effect is wrong in what is expected, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from pipeline.check.bend import Opaque, Written, bent, columns_written, values_of
from pipeline.check.examples import ROWS_PER_EXAMPLE, call, holds, tries
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.check.trials import Run, Trial, run_plan
from pipeline.domain import Tool
from pipeline.errors import DomainDefect
from pipeline.types import Change
from pipeline.world import FinalState, World

RUNG = "mutation"


def survivors(subject: Subject) -> Found:
    """Guards dropped and columns bent, and which of them nothing noticed."""
    refusals: list[Refusal] = []
    guards = columns = 0
    for i, tool in enumerate(subject.domain.tools):
        for k in range(len(tool.requires)):
            guards += 1
            if not _missed(subject, i, tool, k):
                what = f"{tool.name}: without this guard every example comes out as before"
                remedy = "Add an example that only this guard refuses, or take the guard out."
                refusals.append(Refusal(subject.at("tools.yaml", i, "requires", k), RUNG, what, remedy))
        for k, effect in enumerate(tool.effects):
            where = subject.at("tools.yaml", i, "effects", k)
            try:
                written = columns_written(effect, subject.compiled.shapes)
            except Opaque as error:
                remedy = "Write one value for each column, and assign columns one by one."
                refusals.append(Refusal(where, RUNG, f"{tool.name}: {error}: what it writes cannot be told", remedy))
                continue
            for column in written:
                columns += 1
                refusals += _bent(subject, i, tool, k, column, where)
    return Found(f"{guards} guards dropped, {columns} columns bent, all of it noticed", refusals)


def _missed(subject: Subject, i: int, tool: Tool, k: int) -> bool:
    """Whether an example comes out otherwise when a guard is gone."""
    guard = tool.requires[k]
    without = tool.model_copy(update={"requires": (*tool.requires[:k], *tool.requires[k + 1 :])})
    worlds = _worlds(subject, without)
    for n, example in enumerate(tool.examples):
        if example.expect != guard.otherwise:
            continue  # what another guard refuses, or none, is decided without this one
        for case in tries(subject, tool, example, (i, n), ROWS_PER_EXAMPLE):
            try:
                outcome, _ = call(worlds[case.drawer.world.seed], without, case.arguments)
            except DomainDefect:
                return True
            if outcome.error != example.expect:
                return True
    return False


def _bent(subject: Subject, i: int, tool: Tool, k: int, column: Written, where: str) -> Iterator[Refusal]:
    """A refusal when one column of one effect can be bent and nothing objects."""
    name = f"{column.table}.{column.column}"
    kind = subject.types[column.table][column.column]
    others = [str(row["v"]) for row in subject.drawers[0].start.rows(values_of(column.table, column.column), {}, 2)]
    effects = list(tool.effects)
    effects[k] = bent(effects[k], column, kind, others)
    changed = tool.model_copy(update={"effects": tuple(effects)})
    worlds = _worlds(subject, changed)
    try:
        if _noticed(subject, i, changed, column.table, worlds):
            return
    except DomainDefect:
        return  # a constraint objects
    what = f"{tool.name}: {name} could be written wrong and nothing would notice"
    remedy = "Say what it must be: `then:` in an example of success, an invariant, or a check of an intent."
    yield Refusal(where, RUNG, what, remedy)


def _worlds(subject: Subject, tool: Tool) -> dict[int, World]:
    """The worlds with one tool changed, by seed."""
    compiled = subject.compiled
    mine = replace(compiled.tools[tool.name], spec=tool)
    other = replace(compiled, tools={**compiled.tools, tool.name: mine})
    return {world.seed: world.under(other) for world in subject.worlds}


def _noticed(subject: Subject, i: int, tool: Tool, table: str, worlds: dict[int, World]) -> bool:
    """Whether an example, an invariant or a check objects. Raises DomainDefect when a constraint does.

    What objects most often is asked first: each example once, then the invariants, then more rows and whole plans.
    """
    good = [(n, example) for n, example in enumerate(tool.examples) if example.expect == "ok"]
    cases = [(example, case) for n, example in good for case in tries(subject, tool, example, (i, n), ROWS_PER_EXAMPLE)]
    firsts = [next(at for at, (other, _) in enumerate(cases) if other is example) for _, example in good]
    for batch in (firsts, [at for at in range(len(cases)) if at not in firsts]):
        left: list[tuple[World, Change]] = []
        for example, case in (cases[at] for at in batch):
            world = worlds[case.drawer.world.seed]
            outcome, change = call(world, tool, case.arguments)
            if outcome.error is not None or not holds(world, tool, example, case, outcome, change):
                return True
            left.append((world, change))
        if any(_breaks(subject, table, world, change) for world, change in left):
            return True
    return any(_objects(trial, run, worlds[trial.drawer.world.seed]) for trial, run in _plans(subject, tool.name))


def _breaks(subject: Subject, table: str, world: World, change: Change) -> bool:
    """Whether an invariant is broken that reads a table which changed; those that read the bent table are asked first.

    The next one is asked only when this one holds: sums over whole ledgers are what takes time here.
    """
    reads = subject.compiled.invariants
    changed = {row.table for part in (change.inserts, change.updates, change.deletes) for row in part}
    near = sorted(subject.domain.invariants, key=lambda invariant: table not in reads[invariant.name])
    with FinalState(world, change) as end:
        return any(reads[invariant.name] & changed and end.first_row(invariant.sql) is not None for invariant in near)


def _plans(subject: Subject, tool: str) -> Iterator[tuple[Trial, Run]]:
    """The executed plans with checks that write with this tool, one of each intent before the second of any."""
    by_intent: dict[int, list[tuple[Trial, Run]]] = {}
    for trial in subject.trials:
        for run in trial.runs if trial.intent.checks else ():
            if run.run is not None and any(done.name == tool and done.wrote for done in run.calls):
                by_intent.setdefault(trial.number, []).append((trial, run))
    for turn in zip_longest(*by_intent.values()):
        yield from (one for one in turn if one is not None)


def _objects(trial: Trial, run: Run, world: World) -> bool:
    """Whether a plan in a world with a bent tool does not end as its intent wants."""
    assert trial.drawn is not None
    again = run_plan(world, trial.drawn, run.plan)
    if again.run is None:
        return True
    with FinalState(world, again.change, again.calls) as end:
        return bool(end.broken_invariants()) or not all(end.check(sql, trial.bindings) for sql in trial.intent.checks)
