"""One task with a careful expert's run of it: what mutants and variants are made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import orjson

from pipeline.check.bench import Bench
from pipeline.check.plausible import Pool, learn
from pipeline.check.script import Script, script_of
from pipeline.check.stand import Stand
from pipeline.domain import Tool
from pipeline.identity import Rng, derive_seed
from pipeline.judging.state import match_change, with_new_id
from pipeline.types import Answer, Call, Expected, Task, Trajectory


@dataclass(frozen=True)
class Case:
    """`reached`: the right outcome to which the careful run came."""

    bench: Bench
    careful: Trajectory
    reached: Expected

    @property
    def task(self) -> Task:
        return self.bench.task

    @property
    def stand(self) -> Stand:
        return self.bench.stand

    def rng(self, *parts: str | int) -> Rng:
        """A generator for one purpose; it depends on the task's seed alone."""
        return Rng(derive_seed(self.task.seed, "admission", *parts))

    def tool(self, call: Call) -> Tool:
        return self.stand.compiled.tools[call.name].spec

    @cached_property
    def script(self) -> Script:
        return script_of(self.careful)

    @cached_property
    def writes(self) -> tuple[Call, ...]:
        """The calls that changed something."""
        return tuple(call for call in self.careful.calls if call.wrote)

    @cached_property
    def reads(self) -> tuple[Call, ...]:
        """The agent's look-ups."""
        calls = self.careful.calls
        return tuple(c for c in calls if c.ok and c.actor == "agent" and not self.stand.compiled.tools[c.name].writes)

    @cached_property
    def seen(self) -> Pool:
        """Cells that the run's results showed, by column."""
        pool: Pool = {}
        for call in self.careful.calls:
            if call.result is not None:
                learn(pool, call.result)
        return pool

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What had to be told, with the ids that this run gave to new rows."""
        shapes = self.stand.compiled.shapes
        rows, _ = match_change(self.reached, self.careful.change, shapes, self.task.allow)
        return tuple(with_new_id(answer, rows or {}) for answer in self.reached.answers)

    def arguments(self, call: Call) -> dict[str, object]:
        given: dict[str, object] = orjson.loads(call.arguments)
        return given
