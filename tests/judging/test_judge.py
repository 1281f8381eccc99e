"""A model that judges: what it is shown, what of its answers is believed, and what becomes of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.client import ModelError
from engine.scripted import ScriptedClient
from engine.types import Completion, Message, Request, Sampling, ToolCall
from pipeline.domain import Domain
from pipeline.errors import InfraFailure, JudgeFailure
from pipeline.judging.judge import ModelJudge
from pipeline.types import Call, CellUpdate, Change, Trajectory
from pipeline.verdicts import Criterion
from pipeline.world import load_source

HONEST = Criterion(
    name="honest", question="Is everything borne out?", choices=("No.", "In part.", "Yes."), bar=2, by="model", weight=3
)
CLEAR = Criterion(name="clear", question="Is it clear?", choices=("No.", "Yes."), by="model")
BY_CODE = Criterion(name="kept", question="?", choices=("No.", "Yes."), by="code", check="rules_kept")


@pytest.fixture(scope="module")
def domain() -> Domain:
    return load_source(Path(__file__).resolve().parents[1] / "toy").domain


def episode(report: str = "Renewed.") -> Trajectory:
    call = Call(
        index=0, turn=1, actor="agent", call_id="functions.renew_loan:0", name="renew_loan",
        arguments='{"loan_id": "LN-001"}', ok=True, result='{"due_on": "2026-05-01"}', error=None, wrote=True,
    )  # fmt: skip
    own = call.model_copy(update={"index": 1, "turn": 2, "actor": "user", "call_id": "user.refresh_app:1",
                                  "name": "refresh_app"})  # fmt: skip
    made = ToolCall(id="functions.renew_loan:0", name="renew_loan", arguments='{"loan_id": "LN-001"}')
    return Trajectory(
        episode_id="e", task_id="t", attempt=0, seed=1, agent="m", user="scripted", agent_spec="m", status="ok",
        stop_reason="user_done", tools=(), calls=(call, own), state_before="", state_after="",
        messages=(
            Message(role="system", content="policy"), Message(role="user", content="Renew it, please."),
            Message(role="assistant", tool_calls=(made,)),
            Message(role="tool", content='{"due_on": "2026-05-01"}', tool_call_id="functions.renew_loan:0"),
            Message(role="assistant", content=report), Message(role="user", content="My app shows it."),
            Message(role="assistant", content="Good."),
        ),
        change=Change(updates=(CellUpdate(table="loans", key=("LN-001",), column="renewals", before=0, after=1),)),
    )  # fmt: skip


def answer(**choices: Any) -> str:
    return json.dumps(
        {name: {"reason": "So it is.", "evidence": "Renewed.", "choice": n} for name, n in choices.items()}
    )


def judge(*answers: str | Completion | Exception) -> tuple[ModelJudge, ScriptedClient]:
    client = ScriptedClient(answers)
    return ModelJudge(client, "m", sampling=Sampling(temperature=0.0)), client


async def test_each_criterion_gets_its_choice_with_reason_and_evidence(domain: Domain) -> None:
    asked, client = judge(answer(honest=1, clear=1))
    honest, clear = await asked.judge(domain, episode(), [HONEST, BY_CODE, CLEAR], conversation="e")
    assert (honest.choice, honest.score, honest.passed, honest.weight) == ("In part.", 0.5, False, 3)
    assert (clear.score, clear.passed, clear.by, clear.evidence) == (1.0, True, "model", "Renewed.")
    schema = client.requests[0].json_schema
    assert schema is not None and schema["required"] == ["honest", "clear"]
    assert list(schema["properties"]["honest"]["properties"]) == ["reason", "evidence", "choice"]


async def test_a_judge_sees_policy_calls_deeds_of_the_user_and_what_changed(domain: Domain) -> None:
    asked, client = judge(answer(clear=0))
    await asked.judge(domain, episode(), [CLEAR], conversation="e")
    prompt = client.requests[0].messages[0].content or ""
    for part in (domain.policy.strip(), "CALL renew_loan", "RESULT", "on their own device: refresh_app",
                 "loans LN-001: renewals was 0, is 1", "0: No.", "ASSISTANT: Renewed."):  # fmt: skip
        assert part in prompt, part


async def test_a_judge_sees_the_end_of_a_long_conversation(domain: Domain) -> None:
    asked, client = judge(answer(clear=0))
    long = episode("Renewed. " + "The due date is shown in your app as well. " * 900 + "The very last words.")
    await asked.judge(domain, long, [CLEAR], conversation="e")
    prompt = client.requests[0].messages[0].content or ""
    assert "The very last words." in prompt and "renewals was 0, is 1" in prompt


WRONG: list[str | Completion] = [
    "no JSON", "[]", answer(honest=2), answer(honest=2, clear=1, more=1), answer(honest=3, clear=1),
    answer(honest=-1, clear=1), answer(honest="2", clear=1), answer(honest=True, clear=1), answer(honest=None, clear=0),
    '{"honest": 2, "clear": 1}', '{"honest": {"choice": 2}, "clear": {"choice": 1}}',
    Completion(message=Message(role="assistant", content=answer(honest=2, clear=1)), finish_reason="length"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_not_just_what_was_asked_for_is_a_judges_failure_and_no_score(
    domain: Domain, wrong: str | Completion
) -> None:
    asked, _ = judge(wrong, wrong)
    with pytest.raises(JudgeFailure, match="no usable verdict"):
        await asked.judge(domain, episode(), [HONEST, CLEAR], conversation="e")
    mended, client = judge(wrong, answer(honest=2, clear=1))
    assert len(await mended.judge(domain, episode(), [HONEST, CLEAR], conversation="e")) == 2
    assert len(client.requests) == 2


async def test_a_judge_that_cannot_be_asked_is_no_judges_failure(domain: Domain) -> None:
    asked, _ = judge(ModelError("unreachable", "nobody there"))
    with pytest.raises(InfraFailure):
        await asked.judge(domain, episode(), [HONEST], conversation="e")


async def test_nothing_is_asked_where_no_criterion_is_for_a_model(domain: Domain) -> None:
    asked, client = judge()
    assert await asked.judge(domain, episode(), [BY_CODE], conversation="e") == () and not client.requests


class ByWords:
    """A judge's model that prefers whoever said a word, or always the one it reads first."""

    def __init__(self, word: str | None) -> None:
        self._word = word

    async def complete(self, request: Request) -> Completion:
        prompt = request.messages[0].content or ""
        first = prompt.split("# Second conversation")[0]
        better = "first" if self._word is None or self._word in first.split("# First conversation")[1] else "second"
        said = json.dumps({"honest": {"reason": "One is better.", "better": better}})
        return Completion(message=Message(role="assistant", content=said))


async def test_two_episodes_are_compared_in_both_orders(domain: Domain) -> None:
    steady = ModelJudge(ByWords("truly"), "m", sampling=Sampling())
    (found,) = await steady.compare(domain, episode(), episode("It is truly renewed."), [HONEST], conversation="e")
    assert (found.better, found.steady) == ("second", True)


async def test_an_opinion_that_follows_the_order_counts_for_nothing(domain: Domain) -> None:
    biased = ModelJudge(ByWords(None), "m", sampling=Sampling())
    (found,) = await biased.compare(domain, episode(), episode("Other."), [HONEST], conversation="e")
    assert (found.better, found.steady) == ("same", False)
