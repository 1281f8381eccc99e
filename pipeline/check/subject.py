"""What is being checked, as the rungs pass it on: each rung may use what the rungs below it made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.check.refusal import Refusal
from pipeline.domain import Domain, Intent, Step, Tool
from pipeline.identity import Rng, derive_seed
from pipeline.tasks.draw import Drawer
from pipeline.world import CompiledDomain, DomainSource, World

if TYPE_CHECKING:
    from pipeline.check.trials import Trial

SEEDS = 2  # worlds that a domain is looked at in


class Found(NamedTuple):
    """What a rung has to say: a few words when all is well, and its refusals."""

    words: str
    refusals: list[Refusal]


@dataclass
class Subject:
    """A domain on its way up the ladder."""

    folder: Path
    source: DomainSource = field(init=False)  # from parse on
    compiled: CompiledDomain = field(init=False)  # from prepare on
    types: dict[str, dict[str, str]] = field(init=False)  # from prepare on: table → column → TEXT or INTEGER
    drawers: list[Drawer] = field(init=False)  # from populate on: one a world
    trials: list[Trial] = field(init=False)  # from intents on
    sizes: dict[str, int] = field(
        default_factory=dict
    )  # from random on: the longest result of each tool, in characters
    rows: dict[tuple[int, int, int], list[dict[str, Any]]] = field(default_factory=dict)  # drawn for examples

    @property
    def domain(self) -> Domain:
        return self.source.domain

    @property
    def worlds(self) -> list[World]:
        return [drawer.world for drawer in self.drawers]

    def rng(self, *parts: str | int) -> Rng:
        """A generator for one purpose; it depends on the domain's name, not on its content."""
        return Rng(derive_seed("check", self.domain.name, *parts))

    def at(self, file: str, *path: str | int) -> str:
        return self.source.at(file, *path)


def world_seed(name: str, n: int) -> int:
    """The seed of the ladder's world number `n` of a domain."""
    return derive_seed("check", name, "world", n)


def plans_of(intent: Intent) -> Iterator[tuple[str, tuple[str | int, ...], tuple[Step, ...]]]:
    """(name, path within the intent, steps) of the gold and every other right plan."""
    yield "gold", ("gold",), intent.gold
    for n, steps in enumerate(intent.alternatives):
        yield f"or{n + 1}", ("or", n), steps


def steps_of(
    domain: Domain, *, forbidden: bool = False
) -> Iterator[tuple[int, Intent, str, tuple[str | int, ...], Step, Tool | None]]:
    """Every step of every right plan: (intent number, intent, plan, path of the call, step, its tool if there is one).

    `forbidden`: also of what refuse intents ask for.
    """
    tools = {tool.name: tool for tool in domain.tools}
    for i, intent in enumerate(domain.intents):
        plans = list(plans_of(intent))
        if forbidden:
            plans.append(("forbidden", ("forbidden",), intent.forbidden))
        for name, path, steps in plans:
            for k, step in enumerate(steps):
                yield i, intent, name, (i, *path, k, step.tool), step, tools.get(step.tool)


def references(value: Any) -> Iterator[str]:
    """The `$names` within an argument, without the `$`."""
    if isinstance(value, str) and value.startswith("$"):
        yield value[1:]
    elif isinstance(value, dict):
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)
