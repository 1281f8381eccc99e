"""What travellers may not have, what comes to the same whichever way it is done, and where the choice is free."""

from __future__ import annotations

import contextlib

import orjson
import pytest

from pipeline.identity import Rng
from pipeline.tasks.draw import Drawer, Drawn, Drop
from pipeline.tasks.outcome import run_goal, run_plans
from pipeline.types import Change
from pipeline.world import CompiledDomain, SqlEnvironment, World, populate
from tests.domains.worlds import SEEDS, broken, called, compiled, rows


@pytest.fixture(scope="module")
def travel() -> CompiledDomain:
    return compiled("travel")


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, travel: CompiledDomain) -> World:
    return populate(travel, request.param)


def draws_of(world: World, name: str, count: int) -> list[Drawn]:
    intent, drawer = world.compiled.domain.intent(name), Drawer(world)
    found = []
    for seed in range(60):
        with contextlib.suppress(Drop):
            found.append(drawer.draw(intent, Rng(seed), {}))
        if len(found) == count:
            return found
    raise AssertionError(f"{name} is hardly ever drawn")


def test_doing_what_a_refusal_forbids_breaks_its_rule_or_is_refused_by_a_tool(world: World) -> None:
    domain = world.compiled.domain
    for intent in (i for i in domain.intents if i.kind == "refuse"):
        for drawn in draws_of(world, intent.name, 4):
            environment = SqlEnvironment(world)
            run = run_goal(environment, domain, drawn, "forbidden", intent.forbidden, {}, forbidden=True)
            environment.close()
            rule = domain.rules[intent.rule or ""]
            if rule.by == "tool":
                assert len(run.calls) < len(intent.forbidden), intent.name
                assert run.plan.steps[-1].writes, intent.name
                continue
            calls = [(name, orjson.loads(arguments)) for name, arguments, _ in run.calls]
            assert len(calls) == len(intent.forbidden), intent.name
            assert broken(world, calls) == {intent.rule}, intent.name
            assert intent.rule in broken(world, calls, confirmed=False), intent.name


def charged(change: Change) -> int:
    return sum(int(row.row["amount_cents"] or 0) for row in change.inserts if row.table == "payments")


@pytest.mark.parametrize("name", ["extend_stay", "lengthen_trip", "move_flight"])
def test_ways_that_are_both_right_cost_the_customer_the_same(world: World, name: str) -> None:
    for drawn in draws_of(world, name, 3):
        plans = list(enumerate(drawn.intent.plans))
        outcomes = [run_plans(world, [drawn], [(f"or{n}", steps)], [{}])[0].change for n, steps in plans]
        assert len(outcomes) == 2
        assert charged(outcomes[0]) == charged(outcomes[1])
        assert outcomes[0] != outcomes[1]


def test_where_a_choice_is_free_several_values_are_right(world: World) -> None:
    for name in ("book_dinner", "be_there_by", "tickets_by_any_means"):
        several = [len(values) for drawn in draws_of(world, name, 8) for values in drawn.accepted.values()]
        assert sum(n > 1 for n in several) >= 3, (name, several)


def test_the_day_before_arrival_a_night_of_a_flexible_stay_is_kept(travel: CompiledDomain) -> None:
    kept = set()
    for world in (populate(travel, seed) for seed in range(4)):
        for row in rows(
            world,
            "SELECT b.stay_booking_id, b.nightly_cents, days_between(:today, b.check_in) AS ahead, "
            "days_between(b.check_in, b.check_out) AS nights FROM stay_bookings b JOIN rates USING (rate_id) "
            "WHERE b.status = 'booked' AND plan = 'flexible'",
        ):
            _, (quote, gone) = called(
                world,
                [
                    ("quote_cancellation", {"booking_id": row["stay_booking_id"]}),
                    ("cancel_stay", {"stay_booking_id": row["stay_booking_id"]}),
                ],
            )
            nights = row["nights"] - (row["ahead"] < 2)
            assert gone["refunded_cents"] == quote["refund_cents"] == nights * row["nightly_cents"]
            kept.add(quote["kept_cents"] > 0)
    assert kept == {True, False}
