"""The verdict on an episode, by program: the final state first, then the rubric.

passed = state ∧ every gating criterion at its bar; score = weighted mean of the scored criteria. Three values
throughout: what was not scored is None, never 0 and never a pass. Criteria `by: model` stand as unscored and gate
nothing here; a model judge fills them in later. Reads a stored trajectory, so it can be repeated without a rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pipeline.domain import Domain
from pipeline.judging.communicated import told_in
from pipeline.judging.criteria import CHECKS
from pipeline.judging.rubric import goal_criteria
from pipeline.judging.state import StateReader, state_verdict
from pipeline.judging.view import View
from pipeline.types import Answer, Cell, TableShape, Task, Trajectory
from pipeline.verdicts import Criterion, Rubric, Score, StateVerdict, Verdict

# Whose fault the end was: an episode that the agent did not end well is judged, and failed; one that something else
# ended is not judged at all.
JUDGED = ("ok", "agent_failure")


def judge_by_program(
    task: Task,
    trajectory: Trajectory,
    domain: Domain,
    shapes: Mapping[str, TableShape],
    state_reader: StateReader,
    rubric: Rubric,
) -> Verdict:
    """The verdict. `rubric`: the domain's (`domain_rubric`); the task's own criteria are added here.

    Errors of `state_reader` pass through (DomainDefect): SQL that does not run is the domain's fault.
    """
    questions: list[tuple[Criterion, dict[str, Cell]]] = [(c, {}) for c in rubric.criteria] + goal_criteria(task)
    if trajectory.status not in JUDGED:
        reason = f"The episode ended as {trajectory.status}: {trajectory.failure or 'no evidence was kept'}"
        scores = tuple(_unscored(criterion, reason) for criterion, _ in questions)
        return Verdict(episode_id=trajectory.episode_id, state=None, scores=scores, passed=None, score=None)
    view = View(task, trajectory, domain, state_reader)
    state = judge_state(task, trajectory, shapes, state_reader)
    scores = tuple(judge_criterion(view, criterion, bindings) for criterion, bindings in questions)
    return Verdict(
        episode_id=trajectory.episode_id,
        state=state,
        scores=scores,
        passed=trajectory.status == "ok" and state.passed and at_bar(scores),
        score=mean_score(scores),
    )


def gates_open(task: Task, trajectory: Trajectory, domain: Domain, state_reader: StateReader, rubric: Rubric) -> bool:
    """Whether an episode that ended well is at the bar of every gate: with `judge_state`, all that a pass takes.

    What does not gate is not asked, and nothing more once a gate is shut.
    """
    view = View(task, trajectory, domain, state_reader)
    gates = [(c, b) for c, b in [*((c, {}) for c in rubric.criteria), *goal_criteria(task)] if c.gates]
    return trajectory.status == "ok" and all(
        judge_criterion(view, criterion, bindings).passed is not False for criterion, bindings in gates
    )


def judge_state(
    task: Task,
    trajectory: Trajectory,
    shapes: Mapping[str, TableShape],
    state_reader: StateReader,
    *,
    brief: bool = False,
) -> StateVerdict:
    """The state verdict alone. A call whose acknowledgement was lost counts as a write: it was one.

    `brief`: whether it passes, and little more (see `state_verdict`).
    """

    @cache  # asked again and again while rows are matched
    def told(answer: Answer, value: Cell) -> bool:
        return told_in(trajectory, answer.model_copy(update={"value": value}))

    wrote = any(call.wrote for call in trajectory.calls)
    return state_verdict(
        task.expected, trajectory.change, shapes, task.allow, wrote=wrote, reader=state_reader, told=told, brief=brief
    )


def judge_criterion(view: View, criterion: Criterion, bindings: Mapping[str, Cell]) -> Score:
    """The score of one criterion; unscored where it does not apply or only a model can answer it."""
    if criterion.by == "model":
        return _unscored(criterion, "No model judge was asked.")
    if criterion.check is not None:
        choice, reason, evidence = CHECKS[criterion.check](view, criterion)
    else:
        sql = criterion.sql or ""
        holds = view.reader.check(sql, bindings)
        choice, reason, evidence = int(holds), "It holds." if holds else "It does not hold.", sql
    if choice is None:
        return _unscored(criterion, reason)
    return Score(
        name=criterion.name,
        by=criterion.by,
        choice=criterion.choices[choice],
        score=choice / (len(criterion.choices) - 1),
        passed=choice >= criterion.bar,
        reason=reason,
        evidence=evidence,
        gates=criterion.gates,
        weight=criterion.weight,
    )


def _unscored(criterion: Criterion, reason: str) -> Score:
    # A criterion that nothing was asked of cannot gate: it did not apply, or nobody could answer it.
    return Score(
        name=criterion.name,
        by=criterion.by,
        choice=None,
        score=None,
        passed=None,
        reason=reason,
        weight=criterion.weight,
    )


def at_bar(scores: tuple[Score, ...]) -> bool:
    """Whether every gating criterion that was scored is at its bar."""
    return all(score.passed is not False for score in scores if score.gates)


def mean_score(scores: tuple[Score, ...]) -> float | None:
    """The weighted mean of the scored criteria; None where none was scored."""
    scored = [(s.score, s.weight) for s in scores if s.score is not None]
    if not scored:
        return None
    return sum(score * weight for score, weight in scored) / sum(weight for _, weight in scored)
