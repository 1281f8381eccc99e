"""A test stand: one world, and what all tasks in it are tried with; what it finds out about the world serves all."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import orjson

from pipeline.check.examples import filled
from pipeline.check.oracle import Dump
from pipeline.check.plausible import Pool, cells_of, plausible_arguments
from pipeline.domain import Tool
from pipeline.identity import Rng, derive_seed
from pipeline.rollout import system_prompt
from pipeline.tasks.draw import Drawer
from pipeline.verdicts import Rubric
from pipeline.world import SqlEnvironment
from pipeline.world.dump import read_rows

EXTRAS = 3  # successful calls of each writing tool that are kept
PROBES = 8  # calls tried to find them


class Stand:
    """One world under one rubric."""

    def __init__(self, drawer: Drawer, rubric: Rubric, prompt: str, phrases: dict[str, list[str]]) -> None:
        """`prompt`: the template of the agent's system prompt; `phrases`: the expert's own words."""
        self._drawer, self.rubric, self.phrases = drawer, rubric, phrases
        self.world = drawer.world
        self.compiled = drawer.world.compiled
        self.prompt = system_prompt(self.compiled.domain, self.world.today, prompt)

    @cached_property
    def rows(self) -> Dump:
        """All rows at the start."""
        return read_rows(self.world.plain_image, self.compiled.shapes)

    @cached_property
    def cells(self) -> Pool:
        """Cells of the world by column."""
        return cells_of(self._drawer.start, self.compiled.shapes)

    @cached_property
    def ids(self) -> Pool:
        """The ids that there are, by the column that holds them: keys of one column, and references to them."""
        keys = {s.key[0] for s in self.compiled.shapes.values() if len(s.key) == 1}
        columns = keys | {column for s in self.compiled.shapes.values() for column in s.references}
        return {name: cells for name, cells in self.cells.items() if name in columns}

    @cached_property
    def timeless(self) -> frozenset[str]:
        """The agent's look-ups that do not look at the clock: in one state they always find the same."""
        return frozenset(
            name
            for name, tool in self.compiled.tools.items()
            if tool.spec.actor == "agent"
            and not tool.spec.effects
            and all(":now" not in sql for sql in (tool.spec.returns.sql, *(guard.sql for guard in tool.spec.requires)))
        )

    @cached_property
    def writes(self) -> list[tuple[str, str]]:
        """(tool, arguments as JSON text) of calls that would change something, a few for each writing tool.

        Raises DomainDefect when one of the calls tried fails outside a guard.
        """
        rng = Rng(derive_seed(self.world.seed, "writes"))
        found: list[tuple[str, str]] = []
        environment = SqlEnvironment(self.world)
        try:
            for tool in self.compiled.domain.tools:
                if not tool.effects or tool.actor == "user":
                    continue
                good, kept = self._ok_examples(tool), 0
                for n in range(PROBES):
                    arguments = (
                        good[n] if n < len(good) else plausible_arguments(tool, rng, self.cells, self.world.today, good)
                    )
                    if environment.call(tool.name, arguments).wrote:
                        found.append((tool.name, orjson.dumps(arguments).decode()))
                        kept += 1
                        if kept == EXTRAS:
                            break
        finally:
            environment.close()
        return found

    def _ok_examples(self, tool: Tool) -> list[dict[str, Any]]:
        """Arguments by which, as the domain says, this tool's call succeeds."""
        out = []
        for example in tool.examples:
            if example.expect == "ok":
                for row in self._drawer.start.rows(example.draw, {}, 2) if example.draw else [{}]:
                    out.append({name: filled(tool, name, value, row) for name, value in example.arguments.items()})
        return out
