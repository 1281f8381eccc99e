"""Rung `random`: whatever valid arguments an agent thinks of, a call succeeds or is refused, and invariants hold.

A constraint that fails outside a guard would end an episode through no fault of the agent's, so it is hunted here:
sequences of calls with arguments that were seen (cells of the right column, examples, earlier results) mixed with
random values of the parameter's schema. Deep states are reached by the calls that succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.check.examples import tries
from pipeline.check.plausible import cells_of, learn, plausible_arguments
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.errors import DomainDefect
from pipeline.types import Change
from pipeline.world import FinalState, SqlEnvironment, World

RUNG = "random"
CALLS = 400
SEQUENCE = 20  # calls in one world, one after the other


def random_calls(subject: Subject) -> Found:
    """Sequences of random calls over the worlds."""
    tools = subject.domain.tools
    rng = subject.rng("random")
    seen = [cells_of(drawer.start, subject.compiled.shapes) for drawer in subject.drawers]
    ok = [
        [
            (tool.name, list(tries(subject, tool, example, (i, k), 6)))
            for k, example in enumerate(tool.examples)
            if example.expect == "ok"
        ]
        for i, tool in enumerate(tools)
    ]
    refusals: dict[str, Refusal] = {}
    succeeded = wrote = 0
    for sequence in range(CALLS // SEQUENCE):
        n = sequence % len(subject.worlds)
        world = subject.worlds[n]
        pool = {column: list(cells) for column, cells in seen[n].items()}
        environment = SqlEnvironment(world)
        try:
            for _ in range(SEQUENCE):
                i = rng.below(len(tools))
                good = [case.arguments for _, drawn in ok[i] for case in drawn if case.drawer.world is world]
                arguments = plausible_arguments(tools[i], rng, pool, world.today, good)
                try:
                    outcome = environment.call(tools[i].name, arguments, actor=tools[i].actor)
                except DomainDefect as defect:
                    remedy = "Guard against these arguments, so that the call is refused instead."
                    where = subject.at("tools.yaml", i)
                    refusals.setdefault(tools[i].name, Refusal(where, RUNG, str(defect), remedy))
                    continue
                if outcome.result is not None:
                    succeeded += 1
                    longest = max(subject.sizes.get(tools[i].name, 0), len(outcome.result))
                    subject.sizes[tools[i].name] = longest
                    learn(pool, outcome.result)
                if outcome.wrote:
                    wrote += 1
                    broken = _broken(subject, world, environment.change(), tools[i].name, arguments)
                    if broken is not None:
                        refusals.setdefault(broken.where, broken)
                        break  # what follows would only follow from it
        finally:
            environment.close()
    words = f"{CALLS} calls: {succeeded} succeeded, {wrote} wrote, none broke anything"
    return Found(words, list(refusals.values()))


def _broken(subject: Subject, world: World, change: Change, tool: str, arguments: Mapping[str, Any]) -> Refusal | None:
    with FinalState(world, change) as end:
        broken = end.broken_invariants()
        for i, invariant in enumerate(subject.domain.invariants):
            if invariant.name in broken:
                row = end.first_row(invariant.sql)
                shown = orjson.dumps(arguments).decode()[:300]
                what = f"after {tool}({shown}) the invariant {invariant.name!r} is broken by {row!r}"
                where = subject.at("domain.yaml", "invariants", i)
                return Refusal(where, RUNG, what, f"Mend the effects or guards of {tool}, or the invariant.")
    return None
