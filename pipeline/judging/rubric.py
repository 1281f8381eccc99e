"""Rubrics: the criteria by which an episode is scored, read from `rubrics/<name>.yaml`.

A task's rubric is `core` (how an agent speaks and works), `prescriptive` (the hard rules), the domain's own file where
`rubrics/<domain>.yaml` exists, and the criteria of the task's intents. The format of a file:

    title: One line that says what this rubric looks at.
    criteria:
      - name: clear_reports                  # unique over the files that are composed; [a-z][a-z0-9_]*
        question: Does the agent say plainly what it did, with the values that matter?
        choices:                             # from worst to best, at least two, each a whole description
          - The user is left guessing what was done.
          - The outcome is clear.
        bar: 1                               # index of the least choice that passes; left out: the best
        weight: 2                            # in the score; left out: 1
        gates: true                          # below the bar the episode fails; left out: false
        by: model                            # a judge answers the question, or by: code
        check: grounded_arguments            # by: code: a function of pipeline.judging.criteria …
        sql: SELECT count(*) = 1 FROM …      # … or SQL over state, call_log, user_turns: true is the best choice
        options: {calls_spare: 4}            # numbers that the check reads

`by: model` takes neither `check` nor `sql`; `by: code` takes exactly one of them, and `sql` takes two choices. A
mistake is a BadInput that names file, line and criterion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.types import Frozen
from pipeline.errors import BadInput
from pipeline.judging.criteria import CHECKS
from pipeline.paths import rubrics_root
from pipeline.types import Cell, Task
from pipeline.verdicts import Criterion, Rubric
from pipeline.world.yaml_file import Lines, parse_yaml, read_yaml, validate

BASE = ("core", "prescriptive")
_NAME = re.compile(r"[a-z][a-z0-9_]{1,63}")


class _File(Frozen):
    title: str = Field(min_length=8)
    criteria: tuple[Criterion, ...] = Field(min_length=1)


def load_rubric(file: Path) -> Rubric:
    """One rubric file. Raises BadInput that names file, line and criterion."""
    return _rubric(file.stem, *read_yaml(file))


def parse_rubric(file: str, text: str) -> Rubric:
    """As `load_rubric`, from a file's name and text (a run keeps its inputs this way)."""
    return _rubric(Path(file).stem, *parse_yaml(text, file))


def _rubric(name: str, value: Any, lines: Lines) -> Rubric:
    if isinstance(value, dict):
        for criterion in value.get("criteria") or () if isinstance(value.get("criteria"), list) else ():
            # The least choice that passes is the best one, unless the file says otherwise.
            if isinstance(criterion, dict) and isinstance(choices := criterion.get("choices"), list):
                criterion.setdefault("bar", max(len(choices) - 1, 0))
    parsed = validate(_File, value, lines)
    names: set[str] = set()
    for i, criterion in enumerate(parsed.criteria):
        problem = _problem(criterion, names)
        if problem:
            place, text, remedy = problem
            where = lines.at(("criteria", i, place))
            raise BadInput(f"criterion {criterion.name!r}: {text}", where=where, remedy=remedy)
        names.add(criterion.name)
    return Rubric(name=name, title=parsed.title, criteria=parsed.criteria)


def _problem(criterion: Criterion, names: set[str]) -> tuple[str, str, str] | None:
    """(key, what is wrong, what to do) with one criterion, or None."""
    if not _NAME.fullmatch(criterion.name):
        return "name", "a name is lower case letters, digits and underscores", "For example `clear_reports`."
    if criterion.name in names:
        return "name", "the name is given twice", "Rename one of the two."
    if not 0 < criterion.bar < len(criterion.choices):
        return "bar", f"bar {criterion.bar} is not the index of a choice above the worst", "Choices count from 0."
    if len(set(criterion.choices)) < len(criterion.choices):
        return "choices", "two choices read the same", "Say what sets them apart."
    if not 0 < criterion.weight <= 100:
        return "weight", "a weight lies above 0 and is at most 100", ""
    if criterion.by == "model":
        if criterion.check or criterion.sql or criterion.options:
            return "by", "by: model takes neither check nor sql nor options", "Leave them out, or say by: code."
        return None
    if bool(criterion.check) == bool(criterion.sql):
        return "by", "by: code takes exactly one of check and sql", f"Checks: {', '.join(sorted(CHECKS))}."
    if criterion.check and criterion.check not in CHECKS:
        return "check", f"there is no check named {criterion.check!r}", f"There are {', '.join(sorted(CHECKS))}."
    if criterion.sql and len(criterion.choices) != 2:
        return "choices", "sql is true or false: it takes two choices", "Give the worse one first."
    return None


def rubric_files(domain: str, root: Path | None = None) -> list[Path]:
    """The files that make a domain's rubric, in order; those that a run keeps among its inputs."""
    root = root or rubrics_root()
    return [root / f"{n}.yaml" for n in BASE] + [f for f in (root / f"{domain}.yaml",) if f.is_file()]


def domain_rubric(domain: str, root: Path | None = None) -> Rubric:
    """`core`, `prescriptive` and the domain's own file where there is one, as one rubric. Raises BadInput."""
    return compose(domain, (load_rubric(file) for file in rubric_files(domain, root)))


def compose(name: str, rubrics: Iterable[Rubric]) -> Rubric:
    """Several rubrics as one. Raises BadInput when two of them name a criterion alike."""
    parts, owner = list(rubrics), dict[str, str]()
    for rubric in parts:
        for criterion in rubric.criteria:
            if criterion.name in owner:
                raise BadInput(
                    f"criterion {criterion.name!r} is also in rubric {owner[criterion.name]!r}",
                    where=f"rubrics/{rubric.name}.yaml",
                    remedy="A task's rubric is made of all of them: rename one.",
                )
            owner[criterion.name] = rubric.name
    return Rubric(
        name=name, title="; ".join(r.title for r in parts), criteria=tuple(c for r in parts for c in r.criteria)
    )


def goal_criteria(task: Task) -> list[tuple[Criterion, dict[str, Cell]]]:
    """The criteria of a task's intents, each with the values that its SQL is bound to.

    Successes are for a model judge. Patterns and checkpoints are SQL; none of them gates: another way may be as good,
    and whether the goal was reached is for the state verdict.
    """
    out: list[tuple[Criterion, dict[str, Cell]]] = []
    for i, goal in enumerate(task.goals, start=1):
        prefix = f"{goal.intent}.{i}" if len(task.goals) > 1 else goal.intent

        def add(kind: str, texts: Iterable[str], make: Any, prefix: str = prefix, values: Any = goal.values) -> None:
            out.extend((make(f"{prefix}.{kind}{n}", text), values) for n, text in enumerate(texts, start=1))

        add("success", goal.success, _success)
        add("pattern", goal.patterns, _pattern)
        add("checkpoint", goal.checkpoints, _checkpoint)
    return out


def _success(name: str, text: str) -> Criterion:
    choices = ("Not so.", "In part.", "So it is.")
    return Criterion(name=name, question=f"Is this so? {text}", choices=choices, bar=2, weight=2.0, by="model")


def _pattern(name: str, sql: str) -> Criterion:
    question = "Were the tools used as expected?"
    return Criterion(name=name, question=question, choices=("No.", "Yes."), weight=0.5, by="code", sql=sql)


def _checkpoint(name: str, sql: str) -> Criterion:
    question = "Was this station passed?"
    return Criterion(name=name, question=question, choices=("No.", "Yes."), weight=0.5, by="code", sql=sql)
