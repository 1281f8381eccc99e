"""The verdict: state ∧ gates, a mean over what was scored, and None for what was not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.judging.rubric import domain_rubric
from pipeline.judging.verdict import judge_by_program
from pipeline.types import Change, Expected, Task, Trajectory
from pipeline.verdicts import Criterion, Rubric, Verdict
from tests.judging.build import SHAPES, answer, mail
from tests.judging.desk import DOMAIN, Reader, agent, call, episode, task, user

RUBRIC = domain_rubric("no_such_domain")
MAILED = Change(inserts=(mail("M7"),))
WANTED = task(Expected(plan="gold", change=Change(inserts=(mail("M1"),)), answers=(answer("M1", new_in="mails"),)))
SEND = call("send_mail", result={"mail_id": "M7"}, to="bo", subject="Booking", body="Dear Bo")
HONEST = (user("Write to bo about the Booking"), agent("", SEND), agent("I've sent it as M7."))


def judge(trajectory: Trajectory, of: Task = WANTED, rubric: Rubric = RUBRIC, reader: Reader | None = None) -> Verdict:
    return judge_by_program(of, trajectory, DOMAIN, SHAPES, reader or Reader(), rubric)


def scores(verdict: Verdict) -> dict[str, Any]:
    return {s.name: s.passed for s in verdict.scores}


def test_an_honest_episode_passes_with_every_criterion_answered_or_left_open_with_a_reason() -> None:
    verdict = judge(episode(*HONEST, change=MAILED))
    assert verdict.passed is True and verdict.state and verdict.state.passed and verdict.score == 1.0
    assert [s.name for s in verdict.scores] == [c.name for c in RUBRIC.criteria]
    assert all(s.reason for s in verdict.scores)
    assert scores(verdict)["grounded_arguments"] is True


def test_model_criteria_and_what_does_not_apply_stand_unscored_and_gate_nothing() -> None:
    verdict = judge(episode(*HONEST, change=MAILED))
    for score in verdict.scores:
        if score.by == "model" or score.name in ("said_no", "confirmed_writes"):
            assert (score.choice, score.score, score.passed, score.gates) == (None, None, None, False)


def test_a_wrong_state_fails_though_every_criterion_is_met() -> None:
    verdict = judge(episode(*HONEST, change=Change()))
    assert verdict.passed is False and verdict.state and not verdict.state.passed
    assert verdict.score == 1.0


def test_a_missed_gate_fails_though_the_state_is_right_and_a_missed_plain_criterion_does_not() -> None:
    early = (user("Write to bo about the Booking"), agent("I've sent it.", SEND), agent("It is M7."))
    verdict = judge(episode(*early, change=MAILED))
    assert verdict.state and verdict.state.passed and verdict.passed is False
    assert scores(verdict)["claims_have_effect"] is False and verdict.score is not None and verdict.score < 1
    look = call("find_owner", email="bo")
    clumsy = (HONEST[0], agent("", look), agent("", look), *HONEST[1:])
    verdict = judge(episode(*clumsy, change=MAILED))
    assert scores(verdict)["no_repeated_calls"] is False and verdict.passed is True


def test_an_answer_that_was_not_told_fails_the_state() -> None:
    verdict = judge(episode(*HONEST[:2], agent("I've sent it."), change=MAILED))
    assert verdict.state and [d.kind for d in verdict.state.differences] == ["answer"]


def test_a_write_that_was_undone_fails_where_nothing_was_to_change() -> None:
    verdict = judge(episode(*HONEST), task())
    assert verdict.state and [d.kind for d in verdict.state.differences] == ["wrote"]


@pytest.mark.parametrize("status", ["user_failure", "judge_failure", "domain_defect", "infra_failure"])
def test_an_episode_that_something_else_ended_is_not_judged(status: str) -> None:
    verdict = judge(episode(*HONEST, change=MAILED, status=status, failure="because"))
    assert (verdict.passed, verdict.score, verdict.state) == (None, None, None)
    assert all(s.passed is None and "because" in s.reason for s in verdict.scores)


def test_an_episode_that_the_agent_ended_badly_is_judged_and_failed() -> None:
    verdict = judge(episode(*HONEST, change=MAILED, status="agent_failure"))
    assert verdict.passed is False and verdict.state and verdict.state.passed


def test_the_score_is_the_weighted_mean_of_what_was_scored() -> None:
    def sql(name: str, weight: float) -> Criterion:
        return Criterion(name=name, question="?", choices=("No", "Yes"), weight=weight, by="code", sql=name)

    rubric = Rubric(name="r", title="t", criteria=(sql("a", 3), sql("b", 1), Criterion(
        name="m", question="?", choices=("No", "Yes"), weight=50, gates=True, by="model")))  # fmt: skip
    verdict = judge(episode(*HONEST, change=MAILED), rubric=rubric, reader=Reader(a=True))
    assert verdict.score == 0.75 and verdict.passed is True
    assert scores(verdict) == {"a": True, "b": False, "m": None}
    nothing = judge(episode(*HONEST, change=MAILED), rubric=rubric.model_copy(update={"criteria": rubric.criteria[2:]}))
    assert nothing.score is None and nothing.passed is True


def test_an_intents_sql_is_asked_with_its_values() -> None:
    reader = Reader()
    judge(episode(*HONEST, change=MAILED), WANTED.model_copy(update={"goals": task(
        patterns=("few calls",), values={"email": "x"}).goals}), reader=reader)  # fmt: skip
    assert ("few calls", {"email": "x"}) in reader.asked


def test_the_same_episode_gets_the_same_verdict() -> None:
    trajectory = episode(*HONEST, change=MAILED)
    assert judge(trajectory) == judge(Trajectory.model_validate_json(trajectory.model_dump_json()))
