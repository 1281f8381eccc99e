"""A model as judge: it answers the criteria that no program can, each with its reason and evidence before its choice.

It must answer just the criteria that it is asked, in choices that there are; anything else is a failure of the judge
and leaves all of them unscored, never a 0 and never a pass. Asked to compare two episodes it is asked twice, in both
orders, and an opinion that changes with the order counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from engine.client import ModelClient, ModelError
from engine.types import Completion, Message, Request, Sampling
from pipeline.domain import Domain
from pipeline.errors import InfraFailure, JudgeFailure
from pipeline.types import Change, Trajectory
from pipeline.verdicts import Criterion, Score
from pipeline.wording import render

POINTWISE, PAIRWISE = Path(__file__).with_name("judge.j2"), Path(__file__).with_name("pairwise.j2")
TRIES = 2
WHOLE = 1_000_000  # characters of a prompt: a judge sees the end of a long conversation, too
LONGEST = 2_000  # characters of one result that a judge is shown
Better = Literal["first", "second", "same"]


@lru_cache(maxsize=4)
def _prompt_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class Preference(NamedTuple):
    """Which of two episodes a judge prefers by one criterion. `steady`: it said so in both orders."""

    name: str
    better: Better
    steady: bool
    reason: str


class ModelJudge:
    """A judge for the criteria `by: model` of a rubric."""

    def __init__(self, client: ModelClient, model: str, *, sampling: Sampling) -> None:
        self._client, self._model, self._sampling = client, model, sampling
        self.completions: list[Completion] = []

    async def judge(
        self, domain: Domain, trajectory: Trajectory, criteria: Sequence[Criterion], *, conversation: str
    ) -> tuple[Score, ...]:
        """A score for each criterion, in their order. Raises JudgeFailure, or InfraFailure when it cannot be asked."""
        asked = [criterion for criterion in criteria if criterion.by == "model"]
        if not asked:
            return ()
        prompt = _prompt(
            POINTWISE,
            domain,
            criteria=[_question(criterion) for criterion in asked],
            conversation=transcript(trajectory),
            changes=changes(trajectory.change),
        )
        properties = {
            c.name: {
                "type": "object",
                "properties": {
                    "reason": {"type": "string"},
                    "evidence": {"type": "string"},
                    "choice": {"type": "integer", "enum": list(range(len(c.choices)))},
                },
                "required": ["reason", "evidence", "choice"],
                "additionalProperties": False,
            }
            for c in asked
        }
        answers = await self._answers(prompt, properties, conversation)
        return tuple(_score(criterion, answers[criterion.name]) for criterion in asked)

    async def compare(
        self,
        domain: Domain,
        first: Trajectory,
        second: Trajectory,
        criteria: Sequence[Criterion],
        *,
        conversation: str,
    ) -> tuple[Preference, ...]:
        """Which of two episodes of one task is better, by each criterion `by: model`. Raises as `judge` does."""
        asked = [criterion for criterion in criteria if criterion.by == "model"]
        here = await self._prefer(domain, first, second, asked, f"{conversation}:1")
        there = await self._prefer(domain, second, first, asked, f"{conversation}:2")
        swapped: dict[str, Better] = {"first": "second", "second": "first", "same": "same"}
        found = []
        for criterion in asked:
            (one, reason), (other, _) = here[criterion.name], there[criterion.name]
            steady = one == swapped[other]
            found.append(Preference(criterion.name, one if steady else "same", steady, reason))
        return tuple(found)

    async def _prefer(
        self, domain: Domain, first: Trajectory, second: Trajectory, asked: Sequence[Criterion], conversation: str
    ) -> dict[str, tuple[Better, str]]:
        prompt = _prompt(
            PAIRWISE,
            domain,
            criteria=[f"{criterion.name}: {criterion.question}" for criterion in asked],
            first=transcript(first),
            second=transcript(second),
            first_changes=changes(first.change),
            second_changes=changes(second.change),
        )
        properties = {
            c.name: {
                "type": "object",
                "properties": {
                    "reason": {"type": "string"},
                    "better": {"type": "string", "enum": ["first", "second", "same"]},
                },
                "required": ["reason", "better"],
                "additionalProperties": False,
            }
            for c in asked
        }
        answers = await self._answers(prompt, properties, conversation)
        return {name: (answer["better"], answer["reason"]) for name, answer in answers.items()}

    async def _answers(
        self, prompt: str, properties: Mapping[str, Any], conversation: str
    ) -> dict[str, dict[str, Any]]:
        """An answer to each property of a schema. Asked again once when it is not what was asked for."""
        schema = {
            "type": "object",
            "properties": dict(properties),
            "required": list(properties),
            "additionalProperties": False,
        }
        wrong = ""
        for attempt in range(TRIES):
            request = Request(
                model=self._model,
                messages=(Message(role="user", content=prompt),),
                sampling=self._sampling,
                json_schema=schema,
                conversation=f"{conversation}:{attempt}",
            )
            try:
                completion = await self._client.complete(request)
            except ModelError as error:
                raise InfraFailure(f"{self._model}: {error.kind}: {error}") from error
            self.completions.append(completion)
            wrong, answers = _read(completion, properties)
            if not wrong:
                return answers
        raise JudgeFailure(f"{self._model} gave no usable verdict: {wrong}")


def _read(completion: Completion, properties: Mapping[str, Any]) -> tuple[str, dict[str, dict[str, Any]]]:
    """What is wrong with a judge's answer ("" where nothing is), and the answers by criterion."""
    if completion.truncated:
        return "the answer was cut off", {}
    try:
        value = orjson.loads(completion.message.content or "")
    except orjson.JSONDecodeError as error:
        return f"no JSON: {error}", {}
    if not isinstance(value, dict) or value.keys() != properties.keys():
        named = sorted(value) if isinstance(value, dict) else type(value).__name__
        return f"it answers {named}, and was asked {sorted(properties)}", {}
    for name, answer in value.items():
        wanted = properties[name]["properties"]
        if not isinstance(answer, dict) or answer.keys() != wanted.keys():
            return f"{name}: it says {answer!r}", {}
        for key, kind in wanted.items():
            given = answer[key]
            if isinstance(given, bool) or not isinstance(given, int if kind["type"] == "integer" else str):
                return f"{name}: {key} is {given!r}", {}
            if "enum" in kind and given not in kind["enum"]:
                return f"{name}: there is no choice {given!r}", {}
    return "", value


def _score(criterion: Criterion, answer: Mapping[str, Any]) -> Score:
    choice = answer["choice"]
    return Score(
        name=criterion.name,
        by="model",
        choice=criterion.choices[choice],
        score=choice / (len(criterion.choices) - 1),
        passed=choice >= criterion.bar,
        reason=answer["reason"],
        evidence=answer["evidence"],
        gates=criterion.gates,
        weight=criterion.weight,
    )


# ---------------------------------------------------------------- what a judge is shown


def _prompt(file: Path, domain: Domain, **shown: Any) -> str:
    about = {"title": domain.title, "summary": domain.summary, "policy": domain.policy.strip()}
    return render(_prompt_text(file), about | shown, loops=True, most=WHOLE)


def _question(criterion: Criterion) -> str:
    choices = "\n".join(f"  {n}: {choice}" for n, choice in enumerate(criterion.choices))
    return f"{criterion.name}: {criterion.question}\n{choices}"


def transcript(trajectory: Trajectory) -> str:
    """A conversation as text: who said what, every call with what came of it, the user's own deeds among them."""
    lines: list[str] = []
    results = {call.call_id: call for call in trajectory.calls}
    turn = 0
    for message in trajectory.messages:
        turn += message.role == "assistant"
        if message.role == "user":
            own = [call for call in trajectory.calls if call.actor == "user" and call.turn == turn]
            lines += [f"(the user, on their own device: {call.name} {call.arguments})" for call in own]
            lines.append(f"USER: {message.content}")
        elif message.role == "assistant":
            if message.content:
                lines.append(f"ASSISTANT: {message.content}")
            for made in message.tool_calls:
                lines.append(f"CALL {made.name} {made.arguments}")
        elif message.role == "tool":
            call = results.get(message.tool_call_id or "")
            head = "RESULT" if call is None or call.ok else "REFUSED"
            lines.append(f"{head} {_shown(message.content or '')}")
    return "\n".join(lines)


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"


def changes(change: Change) -> str:
    """A net change as text, one part a line."""
    lines = [f"new in {row.table}: {_cells(row.row)}" for row in change.inserts]
    lines += [
        f"in {cell.table} {'/'.join(map(str, cell.key))}: {cell.column} was {cell.before!r}, is {cell.after!r}"
        for cell in change.updates
    ]
    lines += [f"gone from {row.table}: {_cells(row.row)}" for row in change.deletes]
    return "\n".join(lines) or "nothing"


def _cells(row: Mapping[str, object]) -> str:
    return ", ".join(f"{column} {value!r}" for column, value in row.items() if value is not None)
