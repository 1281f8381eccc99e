"""Rung `prepare`: every statement prepares, and every name that the files use for a drawn value or a result exists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pipeline.check.names import names_of, says_of
from pipeline.check.refusal import Refusal, refusals_of
from pipeline.check.subject import Found, Subject, references
from pipeline.domain import Draw, Intent
from pipeline.errors import BadInput, DomainDefect
from pipeline.wording import names_in
from pipeline.world import compile_domain
from pipeline.world.compile import BOUND
from pipeline.world.generators import generator
from pipeline.world.prepare import Prepared, Workbench

RUNG = "prepare"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def prepare(subject: Subject) -> Found:
    """The domain compiled, and the rest of its SQL prepared over empty tables."""
    try:
        subject.compiled = compile_domain(subject.source)
    except BadInput as error:
        return Found("", refusals_of(error, RUNG, where=subject.folder.name, remedy="Mend the statement or its name."))
    bench = _Bench(subject)
    refusals: list[Refusal] = []
    subject.types = bench.types()
    try:
        refusals += _population(subject, bench)
        refusals += _rules(subject, bench)
        refusals += _examples(subject, bench)
        refusals += _tells(subject, bench)
        for i, intent in enumerate(subject.domain.intents):
            refusals += _intent(subject, bench, i, intent)
    finally:
        bench.close()
    return Found(f"{bench.count + _own_statements(subject)} statements", refusals)


def _own_statements(subject: Subject) -> int:
    """How many statements `compile_domain` prepared."""
    tools = sum(len(tool.requires) + len(tool.effects) + 1 for tool in subject.domain.tools)
    return tools + len(subject.domain.invariants)


class _Bench:
    """A workbench that turns what fails into refusals with their line."""

    def __init__(self, subject: Subject) -> None:
        self._bench = Workbench(subject.compiled)
        self.count = 0

    def close(self) -> None:
        self._bench.close()

    def types(self) -> dict[str, dict[str, str]]:
        return self._bench.types()

    def prepare(
        self,
        sql: str,
        where: str,
        what: str,
        refusals: list[Refusal],
        *,
        known: set[str] | None = None,
        logs: bool = False,
        writes: bool = False,
    ) -> Prepared | None:
        """The prepared statement; None, and a refusal, when it cannot be had. `known`: names that are bound."""
        self.count += 1
        try:
            prepared = self._bench.prepare(sql, logs=logs, writes=writes)
        except DomainDefect as error:
            refusals.append(Refusal(where, RUNG, f"{what}: {error}", "Mend the statement."))
            return None
        if known is not None:
            for stranger in sorted(prepared.parameters - known):
                remedy = f"Known here: {', '.join(':' + name for name in sorted(known))}."
                refusals.append(Refusal(where, RUNG, f"{what}: unknown parameter :{stranger}", remedy))
        return prepared


def _population(subject: Subject, bench: _Bench) -> list[Refusal]:
    """Generators that can be made, SQL in them that prepares. What they bind is known only when rows are made."""
    refusals: list[Refusal] = []
    population = subject.domain.population
    for table, spec in population.tables.items():
        for part in ("also", "columns"):
            for name, column in getattr(spec, part).items():
                where = subject.at("population.yaml", "tables", table, part, name)
                try:
                    generator(subject.compiled, table, name, column)
                except BadInput as error:
                    refusals.append(Refusal(where, RUNG, error.what, "See the generators in the grammar of a domain."))
                    continue
                if isinstance(column.get("sql"), str):
                    bench.prepare(column["sql"], where, f"{table}.{name}", refusals)
                if "ref" in column and isinstance(column.get("where"), str):
                    sql = f"SELECT 1 FROM {column['ref']} WHERE {column['where']}"
                    bench.prepare(sql, where, f"{table}.{name}", refusals)
    for i, sql in enumerate(population.after):
        where = subject.at("population.yaml", "after", i)
        bench.prepare(sql, where, "after", refusals, known={"today", "world_seed"}, writes=True)
    return refusals


def _rules(subject: Subject, bench: _Bench) -> list[Refusal]:
    refusals: list[Refusal] = []
    for name, rule in subject.domain.rules.items():
        if rule.violated is not None:
            where = subject.at("domain.yaml", "rules", name, "violated")
            bench.prepare(rule.violated, where, f"rule {name}", refusals, known=set(BOUND), logs=True)
    return refusals


def _examples(subject: Subject, bench: _Bench) -> list[Refusal]:
    refusals: list[Refusal] = []
    for i, tool in enumerate(subject.domain.tools):
        for k, example in enumerate(tool.examples):
            columns: tuple[str, ...] = ()
            if example.draw is not None:
                where = subject.at("tools.yaml", i, "examples", k, "draw")
                prepared = bench.prepare(
                    example.draw, where, f"{tool.name}: the example's draw", refusals, known=set(BOUND)
                )
                if prepared is None:
                    continue
                columns = prepared.columns
            for name, value in example.arguments.items():
                for wanted in references(value):
                    if wanted not in columns:
                        where = subject.at("tools.yaml", i, "examples", k, "arguments", name)
                        what = f"{tool.name}: the example draws no ${wanted}"
                        refusals.append(Refusal(where, RUNG, what, f"It draws: {', '.join(columns) or 'nothing'}."))
            if example.then is not None:
                where = subject.at("tools.yaml", i, "examples", k, "then")
                known = {*columns, *tool.parameters, *BOUND}
                what = f"{tool.name}: what must hold then"
                bench.prepare(example.then, where, what, refusals, known=known, logs=True)
    return refusals


def _tells(subject: Subject, bench: _Bench) -> list[Refusal]:
    """What a user tells of a tool of their own is a field of its result."""
    refusals: list[Refusal] = []
    for i, tool in enumerate(subject.domain.tools):
        if tool.asked is None:
            continue
        where = subject.at("tools.yaml", i, "returns")
        prepared = bench.prepare(tool.returns.sql, where, f"{tool.name}: returns", refusals)
        fields = {re.sub("__(json|bool)$", "", column) for column in prepared.columns} if prepared else set()
        for language, them in tool.asked.tell.items():
            for k, text in enumerate(them):
                for stranger in sorted(names_in(text) - fields):
                    where = subject.at("tools.yaml", i, "asked", "tell", language, k)
                    what = f"{tool.name}: {text!r} tells {stranger}, which the tool does not return"
                    refusals.append(Refusal(where, RUNG, what, f"It returns: {', '.join(sorted(fields))}."))
    return refusals


def _intent(subject: Subject, bench: _Bench, i: int, intent: Intent) -> list[Refusal]:
    refusals: list[Refusal] = []
    before = len(refusals)
    drawn = _draws(subject, bench, i, intent, intent.draw, set(), ("draw",), refusals)
    change = intent.change_of_mind
    if change is not None:
        others = _draws(subject, bench, i, intent, change.draw, drawn, ("change_of_mind", "draw"), refusals)
        for fact, value in change.first.items():
            if value.removeprefix("$") not in drawn | others:
                where = subject.at("intents.yaml", i, "change_of_mind", "first", fact)
                what = f"{intent.name}: change_of_mind: {value} is not drawn"
                refusals.append(Refusal(where, RUNG, what, f"It draws: {', '.join(sorted(drawn | others))}."))
    if len(refusals) > before:
        return refusals  # without its draws, every later complaint would only follow from these

    def at(*path: str | int) -> str:
        return subject.at("intents.yaml", i, *path)

    bound = drawn | BOUND
    for part, statements in (("checks", intent.checks), *_criteria(intent)):
        path = ("checks",) if part == "checks" else ("criteria", part)
        for k, sql in enumerate(statements):
            what = f"{intent.name}: {part}"
            bench.prepare(sql, at(*path, k), what, refusals, known=bound, logs=True)
    refusals += names_of(subject, i, intent, drawn)
    refusals += says_of(subject, i, intent, drawn)
    shapes = subject.compiled.shapes
    for place in ("mentions", "allow"):
        for k, name in enumerate(getattr(intent, place)):
            table, dot, column = name.partition(".")
            there = table in shapes and (column in shapes[table].columns if dot else place == "allow")
            if not there:
                where = at(place, name) if place == "mentions" else at(place, k)
                remedy = "Write table.column." if place == "mentions" else "Write a table, or table.column."
                refusals.append(Refusal(where, RUNG, f"{intent.name}: {place}: there is no {name}", remedy))
    return refusals


def _criteria(intent: Intent) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "patterns", intent.criteria.patterns
    yield "checkpoints", intent.criteria.checkpoints


def _draws(
    subject: Subject,
    bench: _Bench,
    i: int,
    intent: Intent,
    draws: Mapping[str, Draw],
    before: set[str],
    path: tuple[str, ...],
    refusals: list[Refusal],
) -> set[str]:
    """The names that draws give, after those that were drawn `before`: their columns, one after the other."""
    drawn = set(before)
    for name, draw in draws.items():
        where = subject.at("intents.yaml", i, *path, name)
        what = f"{intent.name}: draw {name}"
        for helper, spec in draw.given.items():
            try:
                generator(subject.compiled, intent.name, helper, spec)
            except BadInput as error:
                refusals.append(Refusal(where, RUNG, f"{what}: {error.what}", "See the generators of population.yaml."))
        known = drawn | set(draw.given) | BOUND
        prepared = bench.prepare(draw.sql, where, what, refusals, known=known)
        if prepared is None:
            continue
        for column in prepared.columns:
            if not _NAME.fullmatch(column) or column in BOUND:
                remedy = "Name the column with AS: letters, digits and _; `now` and `today` are the engine's."
                refusals.append(Refusal(where, RUNG, f"{what}: {column!r} cannot be a $name", remedy))
        drawn |= set(prepared.columns)
        if draw.unique is not None and draw.unique not in prepared.columns:
            remedy = f"It draws: {', '.join(prepared.columns)}."
            refusals.append(Refusal(where, RUNG, f"{what}: unique: there is no column {draw.unique}", remedy))
        if draw.accept is not None:
            bench.prepare(draw.accept, where, f"{what}: accept", refusals, known=drawn | BOUND)
    return drawn
