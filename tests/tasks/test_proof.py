"""A proof shows a write that happened, and never one that did not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.sources import fill, rows_of, shown
from pipeline.stages import Worlds, make_task
from pipeline.types import Goal, Plan, PlanStep, Proof, Task
from pipeline.world import SqlEnvironment, World, domain_folders
from tests.tasks.conftest import Make

TOY = Path(__file__).resolve().parents[1] / "toy"
DOMAINS = {"toy": str(TOY), **{name: name for name in domain_folders()}}
SIZES = [
    ("toy", 24),
    *(pytest.param(domain, 200, marks=pytest.mark.verify) for domain in DOMAINS),
]


def tasks_in_which_calls_fail(domain: str, count: int) -> Iterator[tuple[Task, World]]:
    config, inputs = gather_inputs(RunConfig(domains=(DOMAINS[domain],), agent="expert", kinds={"recover": 1}))
    recipe = Recipe(config, inputs)
    worlds = Worlds(recipe)
    for index in range(count):
        task, world = make_task(recipe, worlds, index)
        if isinstance(task, Task) and world is not None:
            yield task, world


class Follower:
    """Follows a plan with what was told and seen, and asks its proofs on the way."""

    def __init__(self, goal: Goal, plan: Plan, world: World) -> None:
        self.environment, self._world = SqlEnvironment(world), world
        self._told = {name: goal.values[name] for name, how in goal.facts.items() if how != "never"}
        self._results: dict[str, Any] = {}
        self.plan = plan

    def arguments(self, step: PlanStep | Proof) -> dict[str, Any]:
        domain = self._world.compiled.domain
        return fill(step.arguments, domain.tool(step.tool).parameters, self._told, self._results, domain.currency)

    def shows(self, proof: Proof) -> list[dict[str, Any]]:
        """The rows by which the proof says that its write happened."""
        outcome = self.environment.call(proof.tool, self.arguments(proof))
        rows = [] if outcome.result is None else rows_of(orjson.loads(outcome.result))
        return [row for row in rows if shown(proof, row, self._told, self._results)]

    def take(self, step: PlanStep) -> Any:
        outcome = self.environment.call(step.tool, self.arguments(step), actor=step.actor)
        assert outcome.result is not None, outcome.error
        self._results[step.key] = orjson.loads(outcome.result)
        return self._results[step.key]


@pytest.mark.parametrize(("domain", "count"), SIZES)
def test_a_proof_shows_what_happened_and_never_what_did_not(domain: str, count: int) -> None:
    proofs = 0
    for task, world in tasks_in_which_calls_fail(domain, count):
        for goal in task.goals:
            for plan in goal.plans:
                follower = Follower(goal, plan, world)
                try:
                    for step in plan.steps:
                        proof = step.proof
                        if proof is None:
                            follower.take(step)
                            continue
                        proofs += 1
                        where = f"{goal.intent}/{plan.name}: {step.tool}"
                        assert step.writes and step.actor == "agent"
                        assert not follower.shows(proof), f"{where}: shown before it happened"
                        follower.environment.call(step.tool, follower.arguments(step), fault="timeout")
                        assert not follower.shows(proof), f"{where}: shown although it had no effect"
                        result = follower.take(step)
                        (row,) = follower.shows(proof)
                        assert {name: result[name] for name in proof.fields} == {
                            name: row[column] for name, column in proof.fields.items()
                        }, f"{where}: it does not show what the write returned"
                finally:
                    follower.environment.close()
    assert proofs >= count // 4


def test_what_can_be_looked_up_has_a_proof_and_what_cannot_has_none() -> None:
    found: dict[str, set[bool]] = {}
    whole: dict[str, set[bool]] = {}
    for task, _ in tasks_in_which_calls_fail("toy", 60):
        for plan in task.goals[0].plans:
            for step in plan.steps:
                if step.writes:
                    found.setdefault(step.tool, set()).add(step.proof is not None)
                    whole.setdefault(step.tool, set()).add(step.proof is not None and step.proof.whole)
    assert found == {"renew_loan": {True}, "borrow_book": {True}, "place_hold": {False}, "send_note": {False}}
    assert whole["renew_loan"] == whole["borrow_book"] == {True}


def test_tasks_whose_calls_do_not_fail_are_not_probed() -> None:
    config, inputs = gather_inputs(RunConfig(domains=(str(TOY),), agent="expert", kinds={"fulfil": 1}))
    recipe = Recipe(config, inputs)
    worlds = Worlds(recipe)
    made = [make_task(recipe, worlds, index)[0] for index in range(8)]
    steps = [s for task in made if isinstance(task, Task) for g in task.goals for p in g.plans for s in p.steps]
    assert steps and all(step.proof is None for step in steps)


def test_where_faults_strike_at_random_every_kind_of_task_has_its_proofs() -> None:
    config, inputs = gather_inputs(
        RunConfig(domains=(str(TOY),), agent="expert", kinds={"several": 1}, faults={"lost_ack": 0.1})
    )
    recipe = Recipe(config, inputs)
    worlds = Worlds(recipe)
    made = [make_task(recipe, worlds, index)[0] for index in range(24)]
    proven = [
        [any(step.proof is not None for step in goal.plans[0].steps) for goal in task.goals]
        for task in made
        if isinstance(task, Task)
    ]
    assert any(all(goals) for goals in proven), "no conversation in which the second request has a proof, too"


def test_a_change_that_nobody_could_tell_beforehand_proves_nothing(make: Make) -> None:
    """A due date that moved shows that something happened only to who knows the old one and the rule."""
    tasks = make(
        24,
        ("tools.yaml", "SET renewals = renewals + 1, due_on", "SET due_on"),
        ("tools.yaml", "renewals = :had + 1 AND", "renewals = :had AND"),
        ("intents.yaml", "renewals > (SELECT 0) AND due_on", "due_on"),
        kinds={"recover": 1},
    )
    steps = [s for t in tasks if isinstance(t, Task) for g in t.goals for plan in g.plans for s in plan.steps]
    renewals = [step for step in steps if step.tool == "renew_loan"]
    assert renewals and all(step.proof is None for step in renewals)


def test_a_proof_reckons_with_what_was_done_before_in_the_same_conversation() -> None:
    """Who has a loan renewed twice in one conversation: the second time, one renewal shows nothing."""
    config, inputs = gather_inputs(RunConfig(domains=(str(TOY),), agent="expert", faults={"lost_ack": 0.1}))
    recipe = Recipe(config, inputs)
    drawer = Worlds(recipe).drawer("toy", 1)
    for seed in range(40):
        task = recipe.makers["toy"].of(drawer, "several", ["renew", "renew"], seed)
        if isinstance(task, Task) and len({goal.values["loan_id"] for goal in task.goals}) == 1:
            shown_by = [step.proof for goal in task.goals for step in goal.plans[0].steps if step.writes]
            first, second = (proof.row["renewals"].value for proof in shown_by if proof is not None)
            assert second == first + 1
            return
    raise AssertionError("nobody has a loan that can be renewed twice")
