"""Rungs `populate` and `examples`: worlds come of every seed, and every example behaves in them as it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipeline.check.refusal import Refusal, refusals_of
from pipeline.check.subject import SEEDS, Found, Subject, world_seed
from pipeline.domain import Example, Tool
from pipeline.errors import BadInput, DomainDefect
from pipeline.sources import fit
from pipeline.tasks.draw import Drawer
from pipeline.world import SqlEnvironment, populate

ROWS_PER_EXAMPLE = 2  # rows of one world that an example is tried with
ROWS_DRAWN = 6
MOST_ROWS = 2_000  # among which they are drawn
_RAISE = re.compile(r"RAISE\s*\(\s*ABORT\s*,\s*'((?:[^']|'')*)'\s*\)", re.IGNORECASE)


def populated(subject: Subject) -> Found:
    """Worlds over several seeds, none of their tables empty. Invariants and foreign keys: `populate` refuses."""
    rung = "populate"
    subject.drawers = []
    refusals: list[Refusal] = []
    try:
        for n in range(SEEDS):
            subject.drawers.append(Drawer(populate(subject.compiled, world_seed(subject.domain.name, n))))
    except BadInput as error:
        return Found("", refusals_of(error, rung, where=subject.folder.name, remedy="Mend how the rows are made."))
    except DomainDefect as defect:
        return Found("", [_defect(subject, str(defect))])
    rows = []
    for drawer in subject.drawers:
        rows.append(0)
        for table in subject.compiled.shapes:
            (count,) = drawer.start.first_row(f'SELECT count(*) FROM "{table}"') or (0,)
            rows[-1] += count
            if table in subject.domain.population.tables and not count:
                where = subject.at("population.yaml", "tables", table)
                what = f"{table} is empty in the world of seed {drawer.world.seed}"
                refusals.append(Refusal(where, rung, what, "Make more rows, or let fewer of them be refused."))
    size = max(len(world.image) for world in subject.worlds)
    return Found(f"{SEEDS} worlds of {min(rows):,} to {max(rows):,} rows, {size // 1024:,} KiB each", refusals)


def _defect(subject: Subject, text: str) -> Refusal:
    for i, invariant in enumerate(subject.domain.invariants):
        if repr(invariant.name) in text:
            where = subject.at("domain.yaml", "invariants", i)
            return Refusal(where, "populate", text, "Populate rows that keep it, or mend the invariant.")
    where = subject.at("population.yaml", "tables")
    return Refusal(where, "populate", text, "Draw references with `ref`, and fill the parents first.")


# ---------------------------------------------------------------- examples


def examples(subject: Subject) -> Found:
    """Every tool succeeds once and refuses once for each reason that it knows; every example behaves."""
    refusals: list[Refusal] = []
    count = 0
    for i, tool in enumerate(subject.domain.tools):
        refusals += _unexpected(subject, i, tool)
        for k, example in enumerate(tool.examples):
            count += 1
            refusals += _behaves(subject, i, tool, k, example)
    return Found(f"{count} examples behave", refusals)


def _unexpected(subject: Subject, i: int, tool: Tool) -> Iterator[Refusal]:
    """What a tool can say and no example expects."""
    rung = "examples"
    expected = {example.expect for example in tool.examples}
    if "ok" not in expected:
        where = subject.at("tools.yaml", i, "examples")
        yield Refusal(where, rung, f"{tool.name} has no example of success", "Add one with `expect: ok`.")
    for k, guard in enumerate(tool.requires):
        if guard.otherwise not in expected:
            where = subject.at("tools.yaml", i, "requires", k)
            what = f"{tool.name}: no example expects {guard.otherwise!r}"
            yield Refusal(where, rung, what, "Add one that is refused so; a guard that nothing reaches may be wrong.")
    known = expected - {"ok"} - {guard.otherwise for guard in tool.requires} - raised(subject)
    for k, example in enumerate(tool.examples):
        if example.expect in known:
            where = subject.at("tools.yaml", i, "examples", k, "expect")
            what = f"{tool.name}: nothing says {example.expect!r}"
            yield Refusal(where, rung, what, "Expect ok, the `otherwise` of a guard, or the text of a trigger's RAISE.")


def raised(subject: Subject) -> set[str]:
    """The texts with which triggers of the schema refuse."""
    return {text.replace("''", "'") for text in _RAISE.findall(subject.domain.schema_sql)}


def _behaves(subject: Subject, i: int, tool: Tool, k: int, example: Example) -> list[Refusal]:
    where = subject.at("tools.yaml", i, "examples", k)
    tried = False
    for arguments, drawer in example_arguments(subject, tool, example, (i, k), ROWS_PER_EXAMPLE):
        tried = True
        environment = SqlEnvironment(drawer.world)
        try:
            outcome = environment.call(tool.name, arguments, actor=tool.actor)
        except DomainDefect as defect:
            remedy = "Guard against it, so that the call is refused instead."
            return [Refusal(where, "examples", str(defect), remedy)]
        finally:
            environment.close()
        got = outcome.error or "ok"
        if got != example.expect:
            what = f"{tool.name}({_shown(arguments)}): expected {example.expect!r}, got {got!r}"
            return [Refusal(where, "examples", what, "Mend the example's draw, or the tool.")]
    if tried:
        return []
    what = f"{tool.name}: the example's draw finds no row in {SEEDS} worlds"
    return [Refusal(where, "examples", what, "Populate such rows, or draw others.")]


def example_arguments(
    subject: Subject, tool: Tool, example: Example, key: tuple[int, int], most: int
) -> Iterator[tuple[dict[str, Any], Drawer]]:
    """The arguments of an example with drawn values, up to `most` times a world; each with where they are from."""
    for n, drawer in enumerate(subject.drawers):
        for row in _drawn(subject, drawer, example, (*key, n))[:most]:
            yield {name: _filled(tool, name, value, row) for name, value in example.arguments.items()}, drawer


def _drawn(subject: Subject, drawer: Drawer, example: Example, key: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Some rows of an example's draw in one world, the same ones whenever they are asked for."""
    if example.draw is None:
        return [{}]
    if key not in subject.rows:
        found = drawer.start.rows(example.draw, {}, MOST_ROWS)
        found.sort(key=lambda row: [str(cell) for cell in row.values()])
        rng = subject.rng("example", *key)
        chosen = dict.fromkeys(rng.below(len(found)) for _ in range(ROWS_DRAWN) if found)
        subject.rows[key] = [found[at] for at in chosen]
    return subject.rows[key]


def _filled(tool: Tool, name: str, value: Any, row: dict[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("$") and value[1:] in row:
        return fit(row[value[1:]], tool.parameters[name])
    if isinstance(value, list):
        return [_filled(tool, name, part, row) for part in value]
    if isinstance(value, dict):
        return {key: _filled(tool, name, part, row) for key, part in value.items()}
    return value


def _shown(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())[:300]
