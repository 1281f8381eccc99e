"""Whose fault it is that a row was not accepted: a pure function of the record and of which filter dropped it.

In this order; the first that fits decides:

1. Accepted: nobody's (None).
2. The episode's status, where something other than the agent ended it: `user_failure` → user, `judge_failure` → judge,
   `domain_defect` → environment, `infra_failure` → infrastructure.
3. `domain_quarantined` → environment: another episode found a defect in this domain.
4. A mistake was planted and made → agent, whatever became of it.
5. A row that passed, dropped only for what other rows are (`pass_band`, `near_duplicate`, `cap`) or for what no row may
   hold (`secrets`) → selection.
6. The judge named a failure of its own, or left the episode without a verdict → judge.
7. The user erred (`pipeline.trust.users`) → user: what follows from it is not held against the agent.
8. A tool: the agent met a fault, could neither get past it nor see through it, did nothing else wrong, and claimed
   nothing that was not so. In particular
   * after a fault without effect (timeout, rate limit, transient) or a page cut short, it made the same call again, and
     every time it met a fault; or
   * a write took effect without acknowledgement, and no look-up of the task's plans shows whether it did.
   "Nothing else wrong": every gating criterion that was scored is at its bar, so the final state alone is not a right
   one. Where a fault could be recovered from, the agent is the one who did not.
9. Else the agent, who also answers for an episode that ran into a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import orjson

from engine.types import canonical_json
from pipeline.errors import Status
from pipeline.trust.users import user_errors
from pipeline.types import Call, Task
from pipeline.verdicts import Record

Attribution = Literal["agent", "user", "tool", "environment", "judge", "infrastructure", "selection"]
ATTRIBUTIONS: tuple[Attribution, ...] = get_args(Attribution)
SELECTING = ("pass_band", "near_duplicate", "cap", "secrets")
"""Filters that leave out rows which are right."""
_BY_STATUS: dict[Status, Attribution] = {
    "user_failure": "user",
    "judge_failure": "judge",
    "domain_defect": "environment",
    "infra_failure": "infrastructure",
}


def attribute(record: Record) -> Attribution | None:
    """Who kept the row from being accepted; None when it was."""
    trajectory, verdict = record.trajectory, record.verdict
    if record.drop_reason is None:
        return None
    if (found := _BY_STATUS.get(trajectory.status)) is not None:
        return found
    if record.drop_reason == "domain_quarantined":
        return "environment"
    if trajectory.mistakes:
        return "agent"
    if verdict.passed and record.drop_reason in SELECTING:
        return "selection"
    if verdict.failure is not None or (verdict.passed is None and trajectory.status == "ok"):
        return "judge"
    if user_errors(record.task, trajectory):
        return "user"
    return "tool" if _a_tool_failed(record) else "agent"


def _a_tool_failed(record: Record) -> bool:
    trajectory, verdict = record.trajectory, record.verdict
    if trajectory.status != "ok" or any(score.gates and score.passed is False for score in verdict.scores):
        return False
    calls = [call for call in trajectory.calls if call.actor == "agent"]
    return any(call.fault is not None and _stuck(record.task, calls, at) for at, call in enumerate(calls))


def _stuck(task: Task, calls: Sequence[Call], at: int) -> bool:
    """Whether the agent could neither get past the fault of a call nor see through it."""
    call = calls[at]
    if call.fault == "lost_ack" and call.wrote:
        return not _provable(task, call.name)
    again = [other for other in calls[at + 1 :] if (other.name, _plain(other)) == (call.name, _plain(call))]
    return bool(again) and all(other.fault is not None for other in again)


def _provable(task: Task, tool: str) -> bool:
    """Whether some look-up of the task's plans shows if a write by this tool took effect."""
    steps = [step for goal in task.goals for plan in goal.plans for step in plan.steps if step.tool == tool]
    return any(step.proof is not None for step in steps)


def _plain(call: Call) -> str:
    """The arguments, however they were spaced and ordered."""
    try:
        return canonical_json(orjson.loads(call.arguments))
    except orjson.JSONDecodeError:
        return call.arguments
