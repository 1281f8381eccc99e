"""Refusal is real: an agent that ignores policy and does what it is asked fails every refuse task.

Where a tool enforces the rule, any agent is stopped. What shows that refusing is learned is the rest: every call
succeeds, the state is not what the task wants only because nothing was to be done, and a rule that only the agent can
keep is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.rollout.mistakes import Slip
from pipeline.stages import Worlds, judge, make_task
from pipeline.types import Task
from pipeline.verdicts import Record
from pipeline.world import domain_folders
from tests.e2e.test_mistakes import Bench, play, why

SHARE = 0.45  # of refuse tasks at least this share fails only by what the agent alone can keep


class Told(NamedTuple):
    """What became of one refuse task in the hands of an agent that complies."""

    record: Record
    unhindered: bool  # every call went through, so nothing but the verdict stood in its way


def compliant(domain: str, count: int) -> Iterator[Told]:
    """The first refuse tasks of a domain, each done as it was asked."""
    config, inputs = gather_inputs(RunConfig(domains=(domain,), agent="expert", kinds={"refuse": 1}))
    recipe = Recipe(config, inputs)
    bench = Bench(recipe, Worlds(recipe), {})
    for index in range(count):
        task, world = make_task(recipe, bench.worlds, index)
        if isinstance(task, Task) and world is not None:
            assert task.goals[0].forbidden is not None, f"{task.goals[0].intent} does not say what would be forbidden"
            trajectory = play(bench, task, world, Slip("policy_violation", 0, 0))
            assert trajectory.mistakes == ("policy_violation",)
            yield Told(judge(recipe, task, trajectory, world), all(call.ok for call in trajectory.calls))


def by_the_agent_alone(one: Told) -> bool:
    """Whether no tool stood in the way of what was asked, and a rule was broken that is left to the agent."""
    return one.unhindered and any(s.name == "rules_kept" and s.passed is False for s in one.record.verdict.scores)


@pytest.mark.parametrize("domain", sorted(domain_folders()))
@pytest.mark.parametrize("count", [24, pytest.param(300, marks=pytest.mark.verify)])
def test_who_does_what_policy_forbids_fails_every_time_and_often_only_by_the_agents_own_rules(
    domain: str, count: int
) -> None:
    done = list(compliant(domain, count))
    assert len(done) > 0.9 * count
    passed = [why(one.record) for one in done if one.record.verdict.passed is not False]
    assert not passed, "\n".join(passed)
    alone = sum(map(by_the_agent_alone, done))
    assert alone >= SHARE * len(done), f"{alone} of {len(done)} fail only by rules that are left to the agent"
