"""How one finds out whether a write took effect when its acknowledgement is lost.

A careful human whose call timed out looks before trying again. For each writing call of a plan a look-up is sought that
tells: made with what is known by then, its result holds a row after the write that no row held before. The plan is
followed once more for it, with candidates asked before and after each write, so this is done only for tasks in which a
call may fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

import orjson

from pipeline.domain import Says
from pipeline.errors import BadInput
from pipeline.sources import fill, fit, look_up, rows_of, same, shown
from pipeline.tasks.draw import Drawn, Drop
from pipeline.tasks.ground import Grounding
from pipeline.tasks.outcome import GoalRun, check_wording
from pipeline.types import Plan, PlanStep, Proof, Source
from pipeline.world import CompiledDomain, SqlEnvironment, World

MOST_PROBES = 12  # look-ups tried around one write

Ask = tuple[str, dict[str, Source], dict[str, Any]]  # a look-up: tool, sources of its arguments, their values


def proven(world: World, drawn: Drawn, run: GoalRun, says: Says, earlier: Sequence[GoalRun] = ()) -> Plan:
    """The plan of a run with a proof at each agent's write that has one.

    `earlier`: what is done before it in the same conversation. Raises Drop when the plan cannot be followed: an agent
    takes the first that fits where a choice is free, and the run may have taken another.
    """
    compiled, environment = world.compiled, SqlEnvironment(world)
    try:
        for other in earlier:
            _follow(compiled, environment, other)
        known = _Known(compiled, run)
        asked: list[tuple[int, Any, list[Proof]]] = []
        for at, step in enumerate(run.plan.steps):
            arguments = known.arguments(step)
            if not step.writes or step.actor == "user":
                known.results[step.key] = _result(run, environment, step, arguments)
                continue
            asks = list(islice(known.asks(at, arguments), MOST_PROBES))
            before = [_rows(environment, ask) for ask in asks]
            written = _result(run, environment, step, arguments)
            after = [_rows(environment, ask) for ask in asks]
            proofs = [known.proof(step, arguments, *found, written) for found in zip(asks, before, after, strict=True)]
            asked.append((at, written, [proof for proof in proofs if proof is not None]))
            known.results[step.key] = written
        steps = list(run.plan.steps)
        for at, written, found in asked:
            found = [known.judged(world, drawn, says, at, proof, written) for proof in found]
            if found:
                best = max(found, key=lambda proof: (proof.whole, len(proof.fields)))
                steps[at] = steps[at].model_copy(update={"proof": best})
        return run.plan.model_copy(update={"steps": tuple(steps)})
    except KeyError as unknown:
        raise Drop("unproven", f"{drawn.intent.name}/{run.plan.name}: {unknown} cannot be followed") from None
    finally:
        environment.close()


def _follow(compiled: CompiledDomain, environment: SqlEnvironment, run: GoalRun) -> None:
    known = _Known(compiled, run)
    for step in run.plan.steps:
        known.results[step.key] = _result(run, environment, step, known.arguments(step))


def _result(run: GoalRun, environment: SqlEnvironment, step: PlanStep, arguments: Mapping[str, Any]) -> Any:
    """What a call returns; of a user's own call, what they tell of it."""
    outcome = environment.call(step.tool, arguments, actor=step.actor)
    if outcome.result is None:
        raise KeyError(step.key)
    return run.grounding.results[step.key] if step.actor == "user" else orjson.loads(outcome.result)


def _rows(environment: SqlEnvironment, ask: Ask) -> list[dict[str, Any]]:
    """The rows that a look-up shows; none where it is refused (what is not there yet can't be looked up)."""
    outcome = environment.call(ask[0], ask[2])
    return [] if outcome.result is None else rows_of(orjson.loads(outcome.result))


class _Known:
    """What is known on the way through a plan, and how the effect of a write is told by it."""

    def __init__(self, compiled: CompiledDomain, run: GoalRun) -> None:
        self._compiled, self._run, self._told = compiled, run, run.grounding.told
        self.results: dict[str, Any] = {}

    def arguments(self, step: PlanStep, results: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A step's arguments with what is known, or with these results instead. Raises KeyError."""
        parameters = self._compiled.tools[step.tool].spec.parameters
        seen = self.results if results is None else results
        return fill(step.arguments, parameters, self._told, seen, self._compiled.domain.currency)

    # ------------------------------------------------------------ which look-ups may tell

    def asks(self, at: int, arguments: Mapping[str, Any]) -> Iterator[Ask]:
        """Look-ups that can be made by now and read what the write changes: those made already come first."""
        write, made = self._run.plan.steps[at], self._run.plan.steps[:at]
        written = self._compiled.tools[write.tool].writes
        seen: set[tuple[str, bytes]] = set()
        for ask in (*self._again(made), *self._by_name(made, write, arguments)):
            tool = self._compiled.tools[ask[0]]
            key = ask[0], orjson.dumps(ask[2], option=orjson.OPT_SORT_KEYS)
            if tool.spec.actor == "agent" and not tool.writes and tool.reads & written and key not in seen:
                seen.add(key)
                yield ask

    def _again(self, made: Sequence[PlanStep]) -> Iterator[Ask]:
        for step in reversed(made):
            if not step.writes:
                yield step.tool, step.arguments, self.arguments(step)

    def _by_name(self, made: Sequence[PlanStep], write: PlanStep, arguments: Mapping[str, Any]) -> Iterator[Ask]:
        for name, tool in self._compiled.tools.items():
            ways: list[list[tuple[Source, Any]]] = []
            for parameter in tool.spec.required:
                schema = tool.spec.parameters[parameter]
                options = [(Source(by="const", value=option), option) for option in schema.get("enum", ())]
                ways.append(list(islice(self._named(parameter, made, write, arguments), 1)) or options)
            for chosen in product(*ways):
                of = dict(zip(tool.spec.required, chosen, strict=True))
                yield (
                    name,
                    {n: s for n, (s, _) in of.items()},
                    {n: fit(v, tool.spec.parameters[n]) for n, (_, v) in of.items()},
                )

    def _named(
        self, parameter: str, made: Sequence[PlanStep], write: PlanStep, arguments: Mapping[str, Any]
    ) -> Iterator[tuple[Source, Any]]:
        """Known values for a parameter, by its name: the write's own argument, a fact, a field of a result."""
        for name, source in write.arguments.items():
            if source.by != "text" and (name == parameter or name.endswith("_" + parameter)):
                yield source, arguments[name]
        if parameter in self._told:
            yield Source(by="told", name=parameter), self._told[parameter]
        for key, result in self.results.items():
            if isinstance(result, dict) and isinstance(result.get(parameter), (str, int)):
                yield Source(by="seen", name=key, path=(parameter,)), result[parameter]
        for step in made:
            if parameter in step.arguments and step.arguments[parameter].by != "text":
                yield step.arguments[parameter], look_up(step.arguments[parameter], self._told, self.results)

    # ------------------------------------------------------------ what they tell

    def proof(
        self,
        write: PlanStep,
        arguments: Mapping[str, Any],
        ask: Ask,
        before: list[dict[str, Any]],
        after: list[dict[str, Any]],
        written: Any,
    ) -> Proof | None:
        """The proof that a look-up gives, by its rows before and after the write; None when it gives none."""
        for row in after:
            if row in before:
                continue
            cells = {c: s for c, value in row.items() if (s := self._source(write, arguments, c, value)) is not None}
            alike = [old for old in before if all(same(old.get(c), row[c]) for c in cells)]
            if alike:
                old = max(alike, key=lambda old: sum(old.get(c) == v for c, v in row.items()))  # the same thing before
                changed = {c: v for c, v in row.items() if c not in cells and _tellable(old.get(c), v)}
                cells |= {column: Source(by="const", value=value) for column, value in changed.items()}
            proof = Proof(tool=ask[0], arguments=ask[1], row=cells, fields=_fields(written, row))
            if not cells or any(shown(proof, old, self._told, self.results) for old in before):
                continue
            if sum(shown(proof, new, self._told, self.results) for new in after) == 1:
                return proof
        return None

    def _source(self, write: PlanStep, arguments: Mapping[str, Any], column: str, value: Any) -> Source | None:
        """How one who makes the write knows a cell that it leaves; None where they can't."""
        if isinstance(value, (dict, list, bool)) or value is None:
            return None
        for name, source in write.arguments.items():
            if source.by in ("told", "seen") and _akin(column, name, value) and same(value, arguments[name]):
                return source
        for name, fact in self._told.items():
            if _akin(column, name, value) and same(value, fact):
                return Source(by="told", name=name)
        return None

    def judged(self, world: World, drawn: Drawn, says: Says, at: int, proof: Proof, written: Any) -> Proof:
        """A proof, marked when what it shows is enough for all that the plan and its wording need of the write.

        Asked when the plan has been followed to its end.
        """
        run, steps = self._run, self._run.plan.steps
        seen = {**self.results, steps[at].key: {name: written[name] for name in proof.fields}}
        grounding = Grounding(run.grounding.told, run.grounding.choices)
        grounding.results = seen
        try:
            if any(self.arguments(step) != self.arguments(step, seen) for step in steps[at + 1 :]):
                return proof
            if any(not same(self._answer(n, self.results), self._answer(n, seen)) for n, _, _ in run.answers):
                return proof
            currency = world.compiled.domain.currency
            check_wording(replace(run, grounding=grounding), drawn, says, world.today, currency)
        except (KeyError, BadInput, Drop):
            return proof
        return proof.model_copy(update={"whole": True})

    def _answer(self, label: str, results: Mapping[str, Any]) -> Any:
        """The value of an answer, by its label. Raises KeyError where it is not seen."""
        name, *path = label.split(".")
        if name in results:
            steps = tuple(int(part) if part.isdigit() else part for part in path)
            return look_up(Source(by="seen", name=name, path=steps), self._told, results)
        return look_up(self._run.plan.finds.get(name, Source(by="told", name=name)), self._told, results)


def _akin(column: str, name: str, value: Any) -> bool:
    """Whether a column that holds a known value holds it by more than chance: by its name, or as a text of its own."""
    return column == name or column.endswith("_" + name) or name.endswith("_" + column) or _telling(value)


def _telling(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= 4


def _tellable(old: Any, new: Any) -> bool:
    """Whether one who saw the old cell can say beforehand what the write leaves: a state, a yes or no, one more."""
    if isinstance(new, str):
        return new != old and new.replace(" ", "").replace("_", "").isalpha() and new.islower()
    if isinstance(new, bool) or isinstance(old, bool):
        return isinstance(new, bool) and new is not old
    return isinstance(new, int) and isinstance(old, int) and new == old + 1


def _fields(written: Any, row: Mapping[str, Any]) -> dict[str, str]:
    """Which columns of the row show what the write itself would have returned."""
    fields = {}
    for name, value in written.items() if isinstance(written, dict) else ():
        if name in row and row[name] == value:
            fields[name] = name
        elif _telling(value):
            columns = [column for column, cell in row.items() if cell == value]
            if len(columns) == 1:
                fields[name] = columns[0]
    return fields
