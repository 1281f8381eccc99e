"""What became of everything that was asked: in = kept + dropped at every step, or the numbers are not written."""

from __future__ import annotations

from pydantic import Field

from engine.types import Frozen


class Step(Frozen):
    """One arrow of the path. `dropped`: how many by reason; `undone` is a reason while a run is incomplete."""

    name: str
    unit: str
    came: int = Field(alias="in")
    kept: int
    dropped: dict[str, int]


class Funnel(Frozen):
    """`tasks`, `episodes`, then each filter in order. `statuses`: how the episodes that were done ended."""

    steps: tuple[Step, ...]
    statuses: dict[str, int]
    accepted: int
    rejected: int

    def check(self) -> Funnel:
        """Itself, when it closes; else RuntimeError that says where it does not: that is a bug, never data."""
        for step in self.steps:
            if step.came != step.kept + sum(step.dropped.values()):
                raise RuntimeError(f"the funnel does not close at {step.name}: {step}")
        filters = [step for step in self.steps if step.unit == "row"]
        episodes = next(step for step in self.steps if step.name == "episodes")
        for before, after in zip([episodes, *filters], filters, strict=False):
            if after.came != before.kept:
                raise RuntimeError(f"the funnel loses rows between {before.name} and {after.name}")
        last = filters[-1] if filters else episodes
        if (self.accepted, self.rejected) != (last.kept, episodes.kept - last.kept):
            raise RuntimeError(f"accepted {self.accepted} and rejected {self.rejected} do not follow from {last}")
        if sum(self.statuses.values()) != episodes.kept:
            raise RuntimeError(f"the statuses {self.statuses} are not those of {episodes.kept} episodes")
        return self

    def json_text(self) -> str:
        return self.model_dump_json(by_alias=True, indent=1)
