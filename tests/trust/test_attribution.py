"""Every row that was not accepted is put down to one of seven, by rules in a fixed order."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.trust.attribution import attribute
from pipeline.types import Call, Goal, Proof
from pipeline.verdicts import Record, Verdict
from tests.storage.builders import record, task


def rejected(reason: str = "state", *, state: bool = False, **changes: Any) -> Record:
    return record(1, state=state, drop_reason=reason, **changes)


def faulted(*faults: str | None, wrote: bool = False, proof: bool = False, gate: bool = True) -> Record:
    """A row that failed for its final state, after calls of one tool that met these faults."""
    calls = tuple(
        Call.model_validate(
            {
                "index": i, "turn": i + 1, "actor": "agent", "call_id": f"c{i}", "name": "book",
                "arguments": '{"thing":"x","count":1}' if i % 2 else '{"count": 1, "thing": "x"}',
                "ok": fault is None, "result": None if fault else "{}", "error": "timed out" if fault else None,
                "fault": fault, "wrote": wrote,
            }
        )
        for i, fault in enumerate(faults)
    )  # fmt: skip
    step = {"key": "a", "tool": "book", "arguments": {}, "writes": True, "confirm": True}
    if proof:
        step["proof"] = Proof(tool="look", arguments={}, row={})
    base = task(1)
    goal = Goal.model_validate(base.goals[0].model_dump() | {"plans": [{"name": "gold", "steps": [step]}]})
    made = rejected(of=base.model_copy(update={"goals": (goal,)}), gate=gate)
    return made.model_copy(update={"trajectory": made.trajectory.model_copy(update={"calls": calls})})


def test_an_accepted_row_is_nobodys_fault() -> None:
    assert attribute(record(1)) is None


@pytest.mark.parametrize(
    ("status", "whose"),
    [
        ("user_failure", "user"),
        ("judge_failure", "judge"),
        ("domain_defect", "environment"),
        ("infra_failure", "infrastructure"),
        ("agent_failure", "agent"),
    ],
)
def test_how_the_episode_ended_decides_first(status: str, whose: str) -> None:
    assert attribute(rejected("finished", status=status)) == whose
    if whose != "agent":
        assert attribute(rejected("finished", status=status, mistakes=("wrong_argument",))) == whose


def test_a_quarantined_domain_is_the_environments_fault_even_where_the_row_is_good() -> None:
    assert attribute(rejected("domain_quarantined", state=True)) == "environment"


def test_a_planted_mistake_is_the_agents_even_where_it_did_no_harm() -> None:
    assert attribute(rejected("planted", state=True, mistakes=("wrong_entity",))) == "agent"
    assert attribute(rejected("near_duplicate", state=True, mistakes=("wrong_entity",))) == "agent"


@pytest.mark.parametrize("reason", ["pass_band", "near_duplicate", "cap", "secrets"])
def test_a_good_row_that_was_left_out_is_selection(reason: str) -> None:
    assert attribute(rejected(reason, state=True)) == "selection"
    assert attribute(rejected(reason)) == "agent", "a row that failed is not a good one"


def test_a_judge_that_failed_or_said_nothing_is_to_blame() -> None:
    made = rejected("gates", state=True)
    silent = made.verdict.model_copy(update={"passed": None})
    failed = Verdict.model_validate(made.verdict.model_dump() | {"failure": "no answer", "passed": False})
    assert attribute(made.model_copy(update={"verdict": silent})) == "judge"
    assert attribute(made.model_copy(update={"verdict": failed})) == "judge"


def test_a_user_that_erred_is_to_blame_for_what_followed() -> None:
    left = rejected()
    assert attribute(left) == "agent"
    proposing = left.trajectory.messages[-1].model_copy(update={"content": "Shall I book it?"})
    trajectory = left.trajectory.model_copy(update={"messages": (*left.trajectory.messages[:-1], proposing)})
    assert attribute(left.model_copy(update={"trajectory": trajectory})) == "user"


@pytest.mark.parametrize("fault", ["timeout", "rate_limit", "transient", "truncated"])
def test_a_fault_that_never_ends_is_the_tools(fault: str) -> None:
    assert attribute(faulted(fault, fault)) == "tool"
    assert attribute(faulted(fault)) == "agent", "it was not tried again"
    assert attribute(faulted(fault, None)) == "agent", "it was got past"


def test_a_lost_acknowledgement_is_the_tools_only_where_nothing_shows_the_effect() -> None:
    assert attribute(faulted("lost_ack", wrote=True)) == "tool"
    assert attribute(faulted("lost_ack", None, wrote=True)) == "tool", "repeating it was a guess like any other"
    assert attribute(faulted("lost_ack", wrote=True, proof=True)) == "agent"


def test_who_does_something_else_wrong_is_not_excused_by_a_fault() -> None:
    assert attribute(faulted("timeout", "timeout", gate=False)) == "agent"


def test_whatever_else_failed_is_the_agents() -> None:
    assert attribute(rejected()) == "agent"
    assert attribute(rejected("gates", state=True, gate=False)) == "agent"
