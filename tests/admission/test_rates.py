"""How good verifiers are over all flagships: wrong runs that fail, right runs that pass."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.check.admission import admit
from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from tests.admission.conftest import drawn

FLAGSHIPS = ("travel", "retail", "telecom", "banking")
KILLED, ACCEPTED = 0.99, 0.995


@pytest.mark.parametrize("count", [12, pytest.param(520, marks=pytest.mark.verify)])
@pytest.mark.parametrize("domain", FLAGSHIPS)
def test_wrong_runs_fail_and_right_runs_pass(domain: str, count: int) -> None:
    recipe = Recipe(*gather_inputs(RunConfig(domains=(domain,), agent="expert")))
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for task, stand in drawn(recipe, count):
        found = admit(task, stand)
        counts.update(tasks=1, killed=found.killed, alive=len(found.survivors), tried=found.tried)
        counts.update(accepted=found.accepted)
        assert found.tried >= 7, "the usual run, and six that are not"
        intents = "+".join(goal.intent for goal in task.goals)
        wrong += [f"{intents} ({task.index}): {each}" for each in (*found.survivors, *found.rejected)]
    assert counts["tasks"] >= 0.98 * count
    assert counts["killed"] >= KILLED * (counts["killed"] + counts["alive"]), wrong
    assert counts["accepted"] >= ACCEPTED * counts["tried"], wrong
