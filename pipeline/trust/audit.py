"""Audits of a domain's worlds: random plausible calls, faults among them, and whatever contradicts itself is counted.

Worlds are what verdicts stand on, so they are looked at from outside, by comparisons that share nothing with the
bookkeeping under audit. Each class of contradiction is one way in which an agent could be told something untrue:

* `defect`: a call ended in a domain defect.
* `refused_wrote`: a call that was refused, or met a fault without effect, changed state.
* `capture`: the net change is not the difference of all tables before and after (in some sequences, after every call).
* `read_after_write`: a result shows a row with a cell that the tables do not hold: what a write returned, and what is
  looked up after one. A field that the tool's SQL gives its name (`AS`), or that look-ups fill with something else than
  the column of its name before anything was written, is the domain's wording and no contradiction.
* `foreign_key`: a row refers to one that is not there.
* `invariant`: an invariant (conservation of money, stock, seats) is broken after a write.
* `repeat`: a look-up asked again, with no write in between, answers otherwise.
* `leak`: an episode begins with something that an earlier one left: databases are used again and again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import orjson

from pipeline.check.examples import filled
from pipeline.check.plausible import Pool, cells_of, learn, plausible_arguments
from pipeline.domain import Tool
from pipeline.errors import DomainDefect
from pipeline.identity import Rng, derive_seed
from pipeline.sources import fit
from pipeline.tasks.draw import Drawer
from pipeline.trust.tables import difference, disagreements, row_at, unlike
from pipeline.types import Change, FaultKind
from pipeline.world import CompiledDomain, FinalState, Outcome, SqlEnvironment, populate
from pipeline.world.change import EMPTY_HASH, change_hash, change_json, quoted
from pipeline.world.dump import Rows, read_rows
from pipeline.world.faults import draw_fault

Kind = Literal["defect", "refused_wrote", "capture", "read_after_write", "foreign_key", "invariant", "repeat", "leak"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORLDS = 2
SEQUENCE = 25  # calls of one episode
SLOW = 80  # one sequence in so many of a world has all its tables compared, after every call
WHOLE = 6  # and one in so many at its end
FAULTS: dict[FaultKind, float] = {
    "timeout": 0.03, "rate_limit": 0.02, "transient": 0.02, "lost_ack": 0.03, "truncated": 0.03,
}  # fmt: skip
_GOOD = 6  # arguments that succeed, kept of each example
_LOOKS = 60  # look-ups of one tool from which it is learnt what its fields show
_AS = re.compile(r"\bAS\s+\"?(\w+)", re.IGNORECASE)


class Contradiction(NamedTuple):
    """`detail`: the call and what is wrong with it, for a person who looks for the cause."""

    kind: Kind
    detail: str


class Audit(NamedTuple):
    """What so many calls came to. `found`: every contradiction."""

    domain: str
    calls: int
    refused: int
    writes: int
    faults: int
    found: tuple[Contradiction, ...]

    @property
    def by_kind(self) -> dict[Kind, int]:
        """How many contradictions of each class, zeros included."""
        counted = Counter(one.kind for one in self.found)
        return {kind: counted[kind] for kind in KINDS}


def audit(compiled: CompiledDomain, calls: int, seed: int = 0) -> Audit:
    """Make so many calls in sequences over a few worlds. The same arguments give the same audit.

    Raises DomainDefect or BadInput for a domain of which no world comes.
    """
    name = compiled.domain.name
    places = [_Place(compiled, derive_seed("audit", name, seed, n)) for n in range(WORLDS)]
    tally = _Tally()
    for number in range(-(-calls // SEQUENCE)):
        place = places[number % len(places)]
        turn = number // len(places)
        rng = Rng(derive_seed("audit", name, seed, "sequence", number))
        _Sequence(place, rng, tally, slow=turn % SLOW == 0, whole=turn % WHOLE == 0).run()
    return Audit(name, tally.calls, tally.refused, tally.writes, tally.faults, tuple(tally.found))


@dataclass
class _Tally:
    calls: int = 0
    refused: int = 0
    writes: int = 0
    faults: int = 0
    found: list[Contradiction] = field(default_factory=list)


class _Place:
    """One world with what is known of it before anything happens."""

    def __init__(self, compiled: CompiledDomain, seed: int) -> None:
        self.world = populate(compiled, seed)
        self.compiled, self.tools = compiled, compiled.domain.tools
        drawer = Drawer(self.world)
        self.cells = cells_of(drawer.start, compiled.shapes)
        self.start = read_rows(self.world.plain_image, compiled.shapes)
        self.good = {tool.name: list(_good(tool, drawer)) for tool in self.tools}
        self.otherwise = {(tool.name, name) for tool in self.tools for name in _AS.findall(tool.returns.sql)}
        self._looks: Counter[str] = Counter()
        self.probes: list[tuple[Tool, dict[str, Any], Outcome]] = []
        environment = SqlEnvironment(self.world)
        try:
            for tool in self.tools:
                for arguments in () if tool.effects else self.good[tool.name]:
                    with suppress(DomainDefect):  # the sequences will meet it, and count it
                        outcome = environment.call(tool.name, arguments, actor=tool.actor)
                        self.probes.append((tool, arguments, outcome))
                        self.learn_names(tool, outcome)
        finally:
            environment.close()

    def learn_names(self, tool: Tool, outcome: Outcome) -> None:
        """Before anything is written: which fields of a look-up show something else than the column of their name."""
        self._looks[tool.name] += 1
        if outcome.result is not None and self._looks[tool.name] <= _LOOKS:
            with FinalState(self.world, Change()) as state:
                for name, _ in disagreements(self.compiled, state, outcome.result):
                    self.otherwise |= {(tool.name, name), ("", name)}

    def means_its_column(self, tool: Tool, name: str) -> bool:
        """Whether a field of a result is what the tables hold; what a write returns is named as look-ups name it."""
        return (tool.name, name) not in self.otherwise and not (tool.effects and ("", name) in self.otherwise)


def _good(tool: Tool, drawer: Drawer) -> Iterator[dict[str, Any]]:
    """Arguments by which, as the domain says, a tool's call succeeds."""
    for example in tool.examples:
        if example.expect == "ok":
            for row in drawer.start.rows(example.draw, {}, _GOOD) if example.draw else [{}]:
                yield {name: filled(tool, name, value, row) for name, value in example.arguments.items()}


class _Sequence:
    """One episode of random calls."""

    def __init__(self, place: _Place, rng: Rng, tally: _Tally, *, slow: bool, whole: bool) -> None:
        self._place, self._rng, self._tally, self._slow, self._whole = place, rng, tally, slow, whole
        self._pool: Pool = {column: list(cells) for column, cells in place.cells.items()}
        self._seed = rng.bits()
        self._asked: list[tuple[Tool, dict[str, Any], Outcome]] = []  # look-ups since the last write
        self._change = Change()
        self._rows: Rows = place.start

    def run(self) -> None:
        place = self._place
        environment = SqlEnvironment(place.world)
        try:
            self._begins_clean(environment)
            for index in range(SEQUENCE):
                tool = self._rng.choice(place.tools)
                arguments = plausible_arguments(tool, self._rng, self._pool, place.world.today, place.good[tool.name])
                fault = draw_fault(self._seed, index, FAULTS)
                before = self._change
                if not self._call(environment, tool, arguments, fault):
                    return
                look = self._look_up(before) if self._change is not before else None
                if look is not None and not self._call(environment, *look, None):
                    return
                if self._asked and self._rng.chance(0.3):
                    self._again(environment)
            self._foreign_keys()
            if self._whole and not self._slow:
                self._compare_tables(environment, self._change, "a sequence of calls", True)
        except DomainDefect as defect:  # in a look-up that was asked before, or in an invariant
            self._find("defect", str(defect))
        finally:
            environment.close()

    # ------------------------------------------------------------ one call

    def _call(
        self, environment: SqlEnvironment, tool: Tool, arguments: dict[str, Any], fault: FaultKind | None
    ) -> bool:
        """Make a call and look at what it did; False when nothing more can be learnt from this episode."""
        shown = f"{tool.name}({orjson.dumps(arguments).decode()[:300]})"
        self._tally.calls += 1
        try:
            outcome = environment.call(tool.name, arguments, actor=tool.actor, fault=fault)
        except DomainDefect as defect:
            self._find("defect", str(defect))
            return False
        change = environment.change()
        effective = outcome.ok or outcome.fault == "lost_ack"
        self._tally.refused += not effective and outcome.fault is None
        self._tally.faults += outcome.fault is not None
        self._tally.writes += outcome.wrote
        if not effective and (outcome.wrote or change != self._change):
            self._find("refused_wrote", f"{shown}: {outcome.error}")
        elif not outcome.wrote and change != self._change:
            self._find("capture", f"{shown} is recorded as no write")
        if self._slow:
            self._compare_tables(environment, change, shown, effective)
        if change != self._change:
            self._change = change
        if outcome.wrote:
            self._asked.clear()
        elif not tool.effects and outcome.fault is None:
            self._asked.append((tool, arguments, outcome))
        if outcome.result is not None and outcome.fault is None:
            learn(self._pool, outcome.result)
        if not change.empty and (outcome.wrote or outcome.result is not None):
            self._look(tool, outcome, shown)
        elif not tool.effects:
            self._place.learn_names(tool, outcome)
        return True

    def _look(self, tool: Tool, outcome: Outcome, shown: str) -> None:
        """Hold what a call shows, and what it left, against the tables."""
        with FinalState(self._place.world, self._change) as state:
            if outcome.wrote:
                for name in state.broken_invariants():
                    self._find("invariant", f"{shown} breaks {name!r}")
            if outcome.result is not None:
                for name, detail in disagreements(self._place.compiled, state, outcome.result):
                    if self._place.means_its_column(tool, name):
                        self._find("read_after_write", f"{shown}: {detail}")

    def _look_up(self, before: Change) -> tuple[Tool, dict[str, Any]] | None:
        """A look-up of a row that was just written, where one can be asked with what the row holds."""
        old = {(part.table, part.key) for parts in (before.inserts, before.updates) for part in parts}
        new = [part for parts in (self._change.inserts, self._change.updates) for part in parts]
        if not (new := [part for part in new if (part.table, part.key) not in old] or new):
            return None
        part = self._rng.choice(new)
        with FinalState(self._place.world, self._change) as state:
            row = row_at(state, self._place.compiled.shapes[part.table], part.key)
        held = [
            (t, {name: fit(row[name], t.parameters[name]) for name in t.required if row.get(name) is not None})
            for t in self._place.tools
            if not t.effects and t.required
        ]
        able = [(tool, arguments) for tool, arguments in held if len(arguments) == len(tool.required)]
        return self._rng.choice(able) if able else None

    def _again(self, environment: SqlEnvironment) -> None:
        tool, arguments, before = self._rng.choice(self._asked)
        self._tally.calls += 1
        now = environment.call(tool.name, arguments, actor=tool.actor)
        if (now.result, now.error) != (before.result, before.error):
            shown = f"{tool.name}({orjson.dumps(arguments).decode()[:300]})"
            self._find("repeat", f"{shown}: first {_short(before)}, then {_short(now)}")

    # ------------------------------------------------------------ whole states

    def _begins_clean(self, environment: SqlEnvironment) -> None:
        place = self._place
        if environment.state_hash() != EMPTY_HASH or change_hash(environment.change()) != EMPTY_HASH:
            self._find("leak", "an episode begins with a change")
        if place.probes:
            tool, arguments, before = self._rng.choice(place.probes)
            self._tally.calls += 1
            now = environment.call(tool.name, arguments, actor=tool.actor)
            if (now.result, now.error) != (before.result, before.error):
                self._find("leak", f"{tool.name} answers {_short(now)}; in the first episode {_short(before)}")
        if self._slow and (table := unlike(place.start, self._dump(environment))):
            self._find("leak", f"{table} is not as it was populated")

    def _compare_tables(self, environment: SqlEnvironment, change: Change, shown: str, effective: bool) -> None:
        rows = self._dump(environment)
        if not effective and (table := unlike(self._rows, rows)):
            self._find("refused_wrote", f"{shown} changed {table}")
        if difference(self._place.compiled, self._place.start, rows) != change_json(change):
            self._find("capture", f"after {shown} the recorded change is not the difference of the tables")
        self._rows = rows

    def _dump(self, environment: SqlEnvironment) -> Rows:
        return read_rows(environment.snapshot()[0], self._place.compiled.shapes)

    def _foreign_keys(self) -> None:
        """Every reference of one column, in and to the tables that changed."""
        shapes = self._place.compiled.shapes
        changed = {part.table for parts in (self._change.inserts, self._change.updates) for part in parts}
        gone = {part.table for part in self._change.deletes}
        with FinalState(self._place.world, self._change) as state:
            for shape in shapes.values():
                for column, table in shape.references.items():
                    if shape.name not in changed and table not in gone:
                        continue
                    key, own = quoted(shapes[table].key[0]), quoted(column)
                    sql = (
                        f"SELECT c.{own} FROM {quoted(shape.name)} c WHERE c.{own} IS NOT NULL AND NOT EXISTS"
                        f" (SELECT 1 FROM {quoted(table)} r WHERE r.{key} = c.{own})"
                    )
                    if (row := state.first_row(sql)) is not None:
                        self._find("foreign_key", f"{shape.name}.{column} = {row[0]!r}, which {table} does not hold")

    def _find(self, kind: Kind, detail: str) -> None:
        self._tally.found.append(Contradiction(kind, detail))


def _short(outcome: Outcome) -> str:
    return (outcome.result or f"error: {outcome.error}")[:160]
