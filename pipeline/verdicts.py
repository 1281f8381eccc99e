"""The nouns of judging: rubrics, verdicts, judged episodes, and what a verdict made of wrong runs and of right ones.

Frozen and strict about keys, as all nouns are; nothing here judges.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.types import Frozen
from pipeline.types import Cell, Task, Trajectory

# ---------------------------------------------------------------- rubrics and verdicts


class Criterion(Frozen):
    """One question of a rubric. `choices` run from worst to best; `bar` is the index of the least choice that passes.

    by code: `check` names a function of `pipeline.judging.criteria`, or `sql` is true over state, call_log and
    user_turns. by model: a judge answers `question`.
    """

    name: str
    question: str
    choices: tuple[str, ...] = Field(min_length=2)
    bar: int = 1
    weight: float = 1.0
    gates: bool = False
    by: Literal["code", "model"]
    check: str | None = None
    sql: str | None = None
    options: dict[str, int] = {}  # numbers that a check reads, such as a budget


class Rubric(Frozen):
    name: str
    title: str
    criteria: tuple[Criterion, ...]


class Score(Frozen):
    """What became of one criterion. `choice`, `score` and `passed` are None when it was not scored."""

    name: str
    by: Literal["code", "model"]
    choice: str | None
    score: float | None  # 0 (worst) to 1 (best)
    passed: bool | None
    reason: str
    evidence: str = ""
    gates: bool = False
    weight: float = 1.0


class Difference(Frozen):
    """One way in which what happened is not what was expected: table, key, column, expected, actual."""

    kind: Literal["missing", "extra", "cell", "answer", "check", "invariant", "wrote", "mention", "search"]
    table: str = ""
    key: tuple[Cell, ...] = ()
    column: str = ""
    expected: Cell = None
    actual: Cell = None
    detail: str = ""

    def __str__(self) -> str:
        place = ".".join(p for p in (self.table, "/".join(map(str, self.key)), self.column) if p)
        parts = [self.kind, place, self.detail]
        if self.kind in ("cell", "mention", "answer"):
            parts.append(f"expected {self.expected!r}, got {self.actual!r}")
        return " ".join(p for p in parts if p)


class StateVerdict(Frozen):
    """Whether the final state is one of the expected ones; on failure, how it differs from the nearest."""

    passed: bool
    plan: str  # the expected outcome that matched, or the nearest
    differences: tuple[Difference, ...] = ()


class Verdict(Frozen):
    """passed = state ∧ every gating criterion at its bar. None: not scored, which is never 0 and never a pass."""

    episode_id: str
    state: StateVerdict | None
    scores: tuple[Score, ...]
    passed: bool | None
    score: float | None
    failure: str | None = None  # a judge's failure, when it had one


class Record(Frozen):
    """A judged episode: the unit that filters look at and that becomes one dataset row."""

    task: Task
    trajectory: Trajectory
    verdict: Verdict
    drop_reason: str | None = None


# ---------------------------------------------------------------- admission of tasks


class MutantTally(Frozen):
    """Wrong runs of one class: how many were made, rejected, and found to be right after all (`equivalent`)."""

    name: str
    made: int
    killed: int
    equivalent: int


class VariantTally(Frozen):
    """Right runs of one class, other than the usual one: how many were made and accepted."""

    name: str
    made: int
    accepted: int


class Misjudged(Frozen):
    """A run that the verdict has wrong: its class, the call or words that set it apart, and why that matters."""

    name: str
    call: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.call}: {self.why}"


class Admission(Frozen):
    """What a task's own verdict made of wrong runs and of right ones. `survivors` passed, `rejected` did not."""

    mutants: tuple[MutantTally, ...] = ()
    variants: tuple[VariantTally, ...] = ()
    survivors: tuple[Misjudged, ...] = ()
    rejected: tuple[Misjudged, ...] = ()

    @property
    def made(self) -> int:
        """How many mutants were made."""
        return sum(tally.made for tally in self.mutants)

    @property
    def killed(self) -> int:
        return sum(tally.killed for tally in self.mutants)

    @property
    def equivalent(self) -> int:
        return sum(tally.equivalent for tally in self.mutants)

    @property
    def tried(self) -> int:
        """How many variants were tried."""
        return sum(tally.made for tally in self.variants)

    @property
    def accepted(self) -> int:
        return sum(tally.accepted for tally in self.variants)
