"""Rung `deterministic`: the same domain and seed give the same worlds, draws and results, whatever the process.

Another process, with another PYTHONHASHSEED and with rows that nobody ordered in reverse, makes a world again and says
what it got (`python -m pipeline.check.repeat`, the domain on its standard input); this one says the same of what it
has. Then gold is replayed with clock and ids moved on: what is left behind may differ in ids and `clock` columns only.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject, world_seed
from pipeline.check.trials import Run, run_plan
from pipeline.domain import Domain, Intent
from pipeline.errors import ToolworldsError
from pipeline.identity import Rng, content_hash, derive_seed
from pipeline.judging.matching import match_change
from pipeline.tasks.draw import Drawer, Drop
from pipeline.types import Change, Expected
from pipeline.world import CompiledDomain, DomainSource, FinalState, compile_domain, populate
from pipeline.world.change import change_hash, quoted
from pipeline.world.load import FILES
from pipeline.world.yaml_file import Lines

RUNG = "deterministic"
DRAWS = 2  # of each intent, in the world that the other process makes again
SHIFT = 97  # numbers and calls by which ids and clock are moved: more than an hour, and other digits
_TIMEOUT = 300
_ORDER = "Order what is read: a query without ORDER BY (or with ties in it) gives rows as SQLite pleases."


def deterministic(subject: Subject) -> Found:
    """Another process agrees with this one, and a shifted gold with itself."""
    try:
        other = _other(subject)
        mine = _told(subject.domain, subject.drawers[0], subject.compiled)
    except ToolworldsError as error:
        where = subject.at("domain.yaml")
        return Found("", [Refusal(where, RUNG, f"another process fails: {error}", "Look for what differs there.")])
    refusals = list(_differences(subject, mine, other))
    shifted = 0
    seen: set[int] = set()
    for trial in subject.trials:
        if trial.drawn is None or trial.runs[0].run is None or trial.number in seen:
            continue
        seen.add(trial.number)
        again = run_plan(trial.drawer.world, trial.drawn, "gold", shift=SHIFT)
        shifted += 1
        problem = _moved(subject, trial.runs[0], again)
        if problem is not None:
            where = subject.at("intents.yaml", trial.number, "gold")
            what = f"{trial.intent.name}: an hour later and with other ids, {problem}"
            remedy = "Compute from :today, not from :now or a new id; or declare the column `clock` in compare."
            refusals.append(Refusal(where, RUNG, what, remedy))
    return Found(f"another process agrees; {shifted} plans replayed later", refusals)


def _moved(subject: Subject, gold: Run, again: Run) -> str | None:
    """How a shifted replay differs in more than ids and clock columns."""
    if again.run is None:
        return f"the gold fails: {again.drop}"
    expected = Expected(plan="gold", change=gold.change)
    _, differences = match_change(expected, again.change, subject.compiled.shapes, (), told=lambda *_: True)
    return f"the gold leaves something else: {differences[0]}" if differences else None


# ---------------------------------------------------------------- two processes


def _other(subject: Subject) -> dict[str, Any]:
    """What another process says of this domain, with another hash seed and in reverse."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part)
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    command = [sys.executable, "-m", "pipeline.check.repeat"]
    # As parsed here: reading YAML again takes longer than the rest. JSON would turn the numbers among keys into text.
    given = marshal.dumps(subject.domain.model_dump(by_alias=True))
    answer = subprocess.run(command, env=environment, input=given, capture_output=True, timeout=_TIMEOUT)
    if answer.returncode:
        lines = answer.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ToolworldsError(lines[-1])
    told: dict[str, Any] = orjson.loads(answer.stdout)
    return told


def _differences(subject: Subject, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Refusal]:
    for table, state in first["tables"].items():
        if second["tables"][table] != state:
            where = subject.at("population.yaml", "tables", table)
            yield Refusal(where, RUNG, f"the rows of {table} differ from process to process", _ORDER)
            return  # whatever is drawn from other worlds differs, too
    tools = {tool.name: i for i, tool in enumerate(subject.domain.tools)}
    told = set()
    for i, intent in enumerate(subject.domain.intents):
        for one, other in zip(first["intents"][intent.name], second["intents"][intent.name], strict=True):
            if one == other or intent.name in told:
                continue
            told.add(intent.name)
            if one["values"] != other["values"]:
                where = subject.at("intents.yaml", i, "draw")
                yield Refusal(where, RUNG, f"{intent.name} draws other values in another process", _ORDER)
                continue
            called = [(a, b) for a, b in zip(one["calls"], other["calls"], strict=False) if a != b]
            if called:
                name = called[0][0][0]
                where = subject.at("tools.yaml", tools[name], "returns")
                yield Refusal(where, RUNG, f"{intent.name}: {name} gives another result in another process", _ORDER)
            else:
                where = subject.at("intents.yaml", i, "gold")
                yield Refusal(where, RUNG, f"{intent.name}: the gold changes something else in another process", _ORDER)


def fingerprint(given: bytes) -> dict[str, Any]:
    """What this process says of a domain (its plain values, marshalled), in reverse."""
    domain = Domain.model_validate(marshal.loads(given))
    compiled = compile_domain(DomainSource(domain, {}, {name: Lines(f"{domain.name}/{name}") for name in FILES}))
    world = populate(compiled, world_seed(domain.name, 0), reverse=True)
    return _told(domain, Drawer(world), compiled)


def _told(domain: Domain, drawer: Drawer, compiled: CompiledDomain) -> dict[str, Any]:
    """What must be the same in every process: the rows of a world, the values drawn, what gold calls gave and left."""
    out: dict[str, Any] = {"tables": {}, "intents": {}}
    with FinalState(drawer.world, Change()) as start:
        for table, shape in compiled.shapes.items():
            order = ", ".join(quoted(column) for column in shape.key)
            rows = start.rows(f"SELECT * FROM {quoted(table)} ORDER BY {order}", {}, 1_000_000)
            out["tables"][table] = content_hash(rows)
    for intent in domain.intents:
        out["intents"][intent.name] = [_one(drawer, intent, n) for n in range(DRAWS)]
    return out


def _one(drawer: Drawer, intent: Intent, n: int) -> dict[str, Any]:
    """A draw of an intent that its gold can be executed for; `n` says which."""
    rng = Rng(derive_seed("check", "repeat", intent.name, n))
    said: dict[str, Any] = {"values": "", "calls": [], "change": ""}
    for _ in range(8):
        try:
            drawn = drawer.draw(intent, rng, {})
        except Drop:
            continue
        run = run_plan(drawer.world, drawn, "gold")
        said = {
            "values": content_hash(drawn.values),
            "calls": [[call.name, content_hash([call.arguments, call.result, call.error])] for call in run.calls],
            "change": change_hash(run.change),
        }
        if run.run is not None:
            break
    return said


if __name__ == "__main__":
    try:
        found = fingerprint(sys.stdin.buffer.read())
    except ToolworldsError as problem:
        sys.exit(str(problem))
    sys.stdout.buffer.write(orjson.dumps(found))
