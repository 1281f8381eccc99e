"""No episode of an agent that means nothing by what it does is accepted unless it is right."""

from __future__ import annotations

import pytest

from pipeline.config import RunConfig
from pipeline.judging import verdict as verdicts
from pipeline.recipe import Recipe, gather_inputs
from pipeline.verdicts import StateVerdict
from tests.conftest import ROOT
from tests.truth.random_walk import Walk, walks

FLAGSHIPS = ("banking", "retail", "telecom", "travel")


def recipe_of(*domains: str) -> Recipe:
    config, inputs = gather_inputs(RunConfig(domains=domains, agent="expert", seed=3))
    return Recipe(config, inputs)


def told(walk: Walk) -> str:
    """A walk for a failing test: what was wanted, what was said and done."""
    lines = [f"{walk.task.domain} {walk.task.kind}: {'+'.join(goal.intent for goal in walk.task.goals)}"]
    for message in walk.record.trajectory.messages[1:]:
        calls = "; ".join(f"{call.name}({call.arguments})" for call in message.tool_calls)
        lines.append(f"  {message.role}: {message.content or ''} {calls}")
    return "\n".join(lines)


def over(recipe: Recipe, count: int) -> None:
    done = list(walks(recipe, count))
    wrong = [walk for walk in done if walk.accepted and not walk.right]
    assert not wrong, "\n".join(told(walk) for walk in wrong[:5])
    accepted = sum(walk.accepted for walk in done)
    assert count / 20 < accepted < count / 2, "the walks keep close to what is right, and stray from it"


def test_no_walk_over_the_toy_domain_is_accepted_wrongly() -> None:
    over(recipe_of(str(ROOT / "tests" / "toy")), 200)


@pytest.mark.verify
@pytest.mark.parametrize("domain", FLAGSHIPS)
def test_no_walk_over_a_flagship_is_accepted_wrongly(domain: str) -> None:
    over(recipe_of(domain), 1250)


def test_a_verdict_that_does_not_look_at_the_state_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lenient = StateVerdict(passed=True, plan="gold")
    monkeypatch.setattr(verdicts, "judge_state", lambda *_: lenient)
    done = list(walks(recipe_of(str(ROOT / "tests" / "toy")), 100))
    assert sum(walk.accepted and not walk.right for walk in done) >= 5
