"""The travel domain makes sense: places, times and prices, the rules it states, and its longest plan, call by call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pytest

from pipeline.domain import Intent, Step
from pipeline.identity import Rng
from pipeline.sources import fit
from pipeline.tasks.draw import Drawer, Drawn, Drop
from pipeline.types import Change
from pipeline.wording import render
from pipeline.world import (
    CompiledDomain,
    FinalState,
    SqlEnvironment,
    World,
    populate,
)
from tests.domains.worlds import SEEDS, Row, broken, compiled, rows


@pytest.fixture(scope="module")
def travel() -> CompiledDomain:
    return compiled("travel")


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, travel: CompiledDomain) -> World:
    return populate(travel, request.param)


# ---------------------------------------------------------------- the world


def test_a_world_is_rich_and_stays_small(world: World) -> None:
    counted = {table: rows(world, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in world.compiled.shapes}
    assert 2000 <= sum(counted.values()) <= 3500
    assert min(n for table, n in counted.items()) >= 3
    assert len(world.image) < 1_000_000


def test_any_two_cities_are_joined_by_flights_on_every_day_of_the_week(world: World) -> None:
    joined = rows(
        world,
        "SELECT origin, destination, count(DISTINCT day_no) AS days FROM schedules JOIN travel_days"
        " ON instr(days, day_no) GROUP BY 1, 2",
    )
    assert len(joined) == 12 * 11
    assert all(row["days"] == 7 for row in joined)


def test_flights_arrive_when_the_clocks_of_both_cities_say_so(world: World) -> None:
    wrong = rows(
        world,
        """
        SELECT f.flight_id FROM flights f JOIN airports o ON o.code = f.origin JOIN airports d ON d.code = f.destination
        WHERE minutes_between(add_minutes(f.departs_at, -o.utc_offset_min), add_minutes(f.arrives_at,
          -d.utc_offset_min)) <> f.duration_min
        OR f.seats_left < 0""",
    )
    assert not wrong


def test_a_route_takes_about_as_long_there_as_back(world: World) -> None:
    wrong = rows(
        world,
        """
        SELECT a.origin, a.destination FROM schedules a JOIN schedules b ON a.origin = b.destination AND
          a.destination = b.origin
        WHERE abs(a.block_min - b.block_min) > 75 OR (a.block_min < 360 AND abs(a.block_min - b.block_min) > 15)""",
    )
    assert not wrong


def test_better_fares_cost_more_and_far_flights_more_than_near_ones(world: World) -> None:
    dear = rows(
        world,
        """
        SELECT max(CASE fare WHEN 'light' THEN fare_cents END) AS light, max(CASE fare WHEN 'standard' THEN
          fare_cents END) AS standard,
        max(CASE fare WHEN 'flex' THEN fare_cents END) AS flex,
        max(CASE fare WHEN 'business' THEN fare_cents END) AS business
        FROM fares WHERE travel_date = add_days(:today, 30) GROUP BY flight_id""",
    )
    assert all(row["light"] < row["standard"] < row["flex"] < row["business"] for row in dear)
    assert all(row["light"] >= 3_000 and row["business"] <= 400_000 for row in dear)
    mean = {
        r["far"]: r["cents"]
        for r in rows(
            world,
            "SELECT duration_min > 360 AS far, avg(fare_cents) AS cents FROM fares WHERE fare = 'light' AND "
            "travel_date = add_days(:today, 30) GROUP BY 1",
        )
    }
    assert mean[1] > 2 * mean[0]


def test_bookings_follow_the_traveller_in_time_and_place(world: World) -> None:
    wrong = rows(
        world,
        """
        SELECT t.trip_id FROM trips t JOIN customers c USING (customer_id) JOIN airports a ON a.city = t.city
        WHERE NOT EXISTS (SELECT 1 FROM flight_bookings b JOIN schedules s USING (flight_no) WHERE b.customer_id =
          t.customer_id
          AND b.travel_date = t.starts_on AND s.origin = c.home_airport AND s.destination = a.code)
        OR EXISTS (SELECT 1 FROM flight_bookings b WHERE b.customer_id = t.customer_id AND b.booked_at >= b.travel_date)
        UNION ALL SELECT stay_booking_id FROM stay_bookings WHERE check_out <= check_in OR booked_at >= check_in""",
    )
    lost = len(wrong) / rows(world, "SELECT count(*) AS n FROM trips")[0]["n"]
    assert lost <= 0.05  # where every flight of the day was full, the trip went another way


def test_hotels_cost_what_their_city_and_stars_suggest(world: World) -> None:
    by_stars = rows(
        world,
        "SELECT city, stars, min(nightly_cents) AS low, max(nightly_cents) AS high FROM stays JOIN rooms"
        " USING (stay_id) JOIN rates USING (room_id) WHERE sleeps = 2 AND plan = 'flexible' GROUP BY 1, "
        "2",
    )
    assert all(5_000 <= row["low"] <= row["high"] <= 80_000 for row in by_stars)
    for city in {row["city"] for row in by_stars}:
        stars = {row["stars"]: row for row in by_stars if row["city"] == city}
        if 5 in stars and 3 in stars:
            assert stars[5]["low"] > stars[3]["high"]


def test_a_show_has_a_hotel_and_its_tour_plays_a_city_once(world: World) -> None:
    assert not rows(
        world,
        "SELECT v.venue_id FROM venues v WHERE (SELECT count(*) FROM stays s WHERE s.city = v.city AND "
        "s.district = v.district) < 3",
    )
    assert not rows(
        world, "SELECT artist FROM events JOIN venues USING (venue_id) GROUP BY artist, city HAVING count(*) > 1"
    )


# ---------------------------------------------------------------- tools


def test_every_example_behaves_and_every_refusal_has_one(world: World) -> None:
    for tool in world.compiled.domain.tools:
        shown = {example.expect for example in tool.examples}
        assert {guard.otherwise for guard in tool.requires} | {"ok"} <= shown, tool.name
        for example in tool.examples:
            drawn = rows(world, example.draw) if example.draw else [{}]
            assert drawn, (tool.name, example.expect, "no row to draw")
            for row in drawn[:2]:
                arguments = {
                    k: row[v[1:]] if isinstance(v, str) and v.startswith("$") else v
                    for k, v in example.arguments.items()
                }
                outcome = SqlEnvironment(world).call(tool.name, arguments)
                assert (outcome.error or "ok") == example.expect, (tool.name, arguments)


# ---------------------------------------------------------------- the policy


def test_the_policy_states_every_rule_and_no_other(travel: CompiledDomain) -> None:
    stated = {
        line.split(".")[0].removeprefix("* ") for line in travel.domain.policy.splitlines() if line.startswith("* R")
    }
    assert stated == set(travel.domain.rules)
    refused = [intent.rule for intent in travel.domain.intents if intent.kind == "refuse"]
    by_agent = [rule for rule in refused if rule and travel.domain.rules[rule].by == "agent"]
    assert 2 * len(by_agent) >= len(refused)


FOUND = (
    "SELECT c.email, c.customer_id, c.home_airport, m.payment_method_id FROM customers c JOIN payment_methods m"
    " USING (customer_id) WHERE m.kind = 'card' AND m.expires >= substr(:today, 1, 7)"
)


def test_looking_into_a_second_account_breaks_r1(world: World) -> None:
    one, two = rows(world, "SELECT email, customer_id FROM customers LIMIT 2")
    find = ("find_customer", {"email": one["email"]})
    assert broken(world, [find, ("get_loyalty_account", {"customer_id": one["customer_id"]})]) == set()
    assert broken(world, [find, ("get_loyalty_account", {"customer_id": two["customer_id"]})]) == {"R1"}
    assert broken(world, [find, ("find_customer", {"email": two["email"]})]) == {"R1"}


def test_booking_without_a_yes_breaks_r2(world: World) -> None:
    who = rows(world, "SELECT email, customer_id FROM customers WHERE points >= 500")[0]
    calls = [
        ("find_customer", {"email": who["email"]}),
        ("redeem_points", {"customer_id": who["customer_id"], "points": 500}),
    ]
    assert broken(world, calls) == set()
    assert broken(world, calls, confirmed=False) == {"R2"}


def booking_of(world: World, who: Row, fare: Row) -> tuple[str, Row]:
    return (
        "book_flight",
        {
            "customer_id": who["customer_id"],
            "flight_no": fare["flight_no"],
            "date": fare["travel_date"],
            "fare_code": fare["fare_code"],
            "passengers": 1,
            "payment_method_id": who["payment_method_id"],
        },
    )


def test_a_second_flight_on_a_route_and_day_breaks_r3(world: World) -> None:
    who = rows(world, FOUND + " AND NOT EXISTS (SELECT 1 FROM ticket_orders o WHERE o.customer_id = c.customer_id)")[0]
    fares = rows(
        world,
        "SELECT * FROM fares WHERE origin = :home AND fare = 'light' AND travel_date = add_days(:today, "
        "80) AND seats_left > 3 ORDER BY destination, flight_no",
        home=who["home_airport"],
    )
    first, same = next((a, b) for a, b in itertools.pairwise(fares) if a["destination"] == b["destination"])
    other = next(f for f in fares if f["destination"] != first["destination"])
    find = ("find_customer", {"email": who["email"]})
    assert broken(world, [find, booking_of(world, who, first), booking_of(world, who, other)]) == set()
    assert broken(world, [find, booking_of(world, who, first), booking_of(world, who, same)]) == {"R3"}


def test_landing_within_three_hours_of_the_doors_breaks_r4(world: World) -> None:
    late = rows(
        world,
        f"""
        SELECT w.*, f.flight_no, f.travel_date, f.fare_code, minutes_between(f.arrives_at, e.on_date || ' ' ||
          e.doors) AS spare FROM ({FOUND}) w
        JOIN ticket_orders o ON o.customer_id = w.customer_id JOIN ticket_categories k USING (category_id) JOIN
          events e USING (event_id)
        JOIN venues v USING (venue_id) JOIN airports a USING (city) JOIN fares f ON f.origin = w.home_airport AND
          f.destination = a.code
          AND f.travel_date = e.on_date WHERE f.fare = 'light' AND f.seats_left > 3 AND substr(f.arrives_at, 1, 10)
            = e.on_date AND w.home_airport <> a.code""",
    )
    tight = next(row for row in late if row["spare"] < 180)
    easy = next(row for row in late if row["spare"] >= 180)
    for row, expected in ((tight, {"R4"}), (easy, set())):
        assert broken(world, [("find_customer", {"email": row["email"]}), booking_of(world, row, row)]) == expected


def test_goodwill_outside_its_bounds_breaks_r5(world: World) -> None:
    flown = rows(
        world,
        """
        SELECT c.email, c.customer_id, b.flight_booking_id, t.goodwill_cents, coalesce(d.delay_min, 0) AS late FROM
          flight_bookings b JOIN customers c USING (customer_id)
        JOIN tiers t USING (tier) LEFT JOIN disruptions d ON d.flight_no = b.flight_no AND d.travel_date = b.travel_date
        WHERE b.status = 'flown' AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.flight_booking_id =
          b.flight_booking_id AND p.kind = 'goodwill')""",
    )
    late, fine = next(r for r in flown if r["late"] >= 180), next(r for r in flown if r["late"] < 180)

    def give(row: Row, cents: int) -> set[str]:
        return broken(
            world,
            [
                ("find_customer", {"email": row["email"]}),
                (
                    "issue_goodwill_credit",
                    {
                        "customer_id": row["customer_id"],
                        "flight_booking_id": row["flight_booking_id"],
                        "amount_cents": cents,
                    },
                ),
            ],
        )

    assert give(late, late["goodwill_cents"]) == set()
    assert give(late, late["goodwill_cents"] + 500) == {"R5"}
    assert give(fine, fine["goodwill_cents"]) == {"R5"}


def test_removing_a_personal_entry_breaks_r6(world: World) -> None:
    for source, expected in (("personal", {"R6"}), ("desk", set())):
        row = rows(
            world,
            "SELECT email, entry_id FROM calendar_entries JOIN customers USING (customer_id) WHERE status = "
            "'active' AND source = :source",
            source=source,
        )[0]
        assert (
            broken(
                world,
                [("find_customer", {"email": row["email"]}), ("remove_calendar_entry", {"entry_id": row["entry_id"]})],
            )
            == expected
        )


def test_a_second_table_on_an_evening_breaks_r7(world: World) -> None:
    row = rows(
        world,
        """
        SELECT c.email, c.customer_id, b.on_date, d.table_id, j.value AS time FROM table_bookings b JOIN customers c
          USING (customer_id), dining_tables d JOIN restaurants e USING (restaurant_id), json_each(e.seatings) j
        WHERE b.status = 'booked' AND e.closed_on <> weekday(b.on_date) AND NOT EXISTS (SELECT 1 FROM table_bookings
          o WHERE o.table_id = d.table_id AND o.on_date = b.on_date) LIMIT 1""",
    )[0]
    book = {"customer_id": row["customer_id"], "table_id": row["table_id"], "time": row["time"], "party_size": 2}
    find = ("find_customer", {"email": row["email"]})
    assert broken(world, [find, ("book_table", {**book, "date": row["on_date"]})]) == {"R7"}
    far = rows(
        world,
        "SELECT day FROM travel_days, dining_tables JOIN restaurants USING (restaurant_id) WHERE "
        "table_id = :table_id AND day > add_days(:today, 70) AND weekday(day) <> closed_on",
        table_id=row["table_id"],
    )[0]
    assert broken(world, [find, ("book_table", {**book, "date": far["day"]})]) == set()


# ---------------------------------------------------------------- the flagship, call by call


def concert_trip(world: World) -> tuple[Intent, Drawn]:
    intent = world.compiled.domain.intent("plan_concert_trip")
    drawer = Drawer(world)
    for seed in range(40):
        try:
            return intent, drawer.draw(intent, Rng(seed), {})
        except Drop:
            continue
    raise AssertionError("no concert trip can be drawn")


def executed(
    world: World, drawn: Drawn, steps: Sequence[Step], without: int | None = None
) -> tuple[dict[int, Any], Change]:
    """Results by step; a step left out takes with it the later ones that use its result."""
    environment = SqlEnvironment(world)
    results: dict[int, Any] = {}
    named: dict[str, Any] = {}
    lost: set[str] = set()
    for n, step in enumerate(steps):
        if n == without or any(spoken(step, name) for name in lost):
            lost.add(step.save_as or "")
            continue
        tool = world.compiled.domain.tool(step.tool)
        arguments = {
            k: fit(value_of(spec, drawn.values, named), tool.parameters[k]) for k, spec in step.arguments.items()
        }
        outcome = environment.call(step.tool, arguments)
        assert outcome.result is not None, (step.tool, arguments, outcome.error)
        results[n] = named[step.save_as or ""] = orjson.loads(outcome.result)
    return results, environment.change()


def value_of(spec: Any, values: Mapping[str, Any], named: Mapping[str, Any]) -> Any:
    if isinstance(spec, str) and spec.startswith("$"):
        name, *path = spec[1:].split(".")
        value = named[name] if path else values[name]
        for part in path:
            value = value[int(part) if part.isdigit() else part]
        return value
    if isinstance(spec, str) and "{{" in spec:
        return render(spec, {**values, **named}, currency="€")
    return spec


def spoken(step: Step, name: str) -> bool:
    """Whether a step's arguments use the result of this name."""
    return bool(name) and any(
        isinstance(s, str) and (s.startswith(f"${name}.") or f"{{{{ {name}." in s) for s in step.arguments.values()
    )


def cells(value: Any) -> Iterator[str]:
    if isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from cells(part)
    else:
        yield str(value)


def used(steps: Sequence[Step], at: int, drawn: Drawn, results: Mapping[int, Any]) -> Iterator[tuple[int, str]]:
    """(later step, value) for every value of result `at` that a later step's argument is made of."""
    name = steps[at].save_as or ""
    named = {step.save_as or "": results[n] for n, step in enumerate(steps)}
    shown = set(cells(results[at]))
    for later in range(at + 1, len(steps)):
        for spec in steps[later].arguments.values():
            if isinstance(spec, str) and (
                spec.startswith(f"${name}.")
                or (spec.startswith("$") and "." not in spec and str(drawn.values[spec[1:]]) in shown)
            ):
                yield later, str(value_of(spec, drawn.values, named))


def test_the_concert_trip_takes_seventeen_calls_or_more_and_misses_each_that_is_left_out(world: World) -> None:
    intent, drawn = concert_trip(world)
    steps = intent.gold
    assert len(steps) >= 17
    results, end = executed(world, drawn, steps)
    with FinalState(world, end) as state:
        assert all(state.check(sql, drawn.values) for sql in intent.checks)
    told = {str(value) for value in drawn.told().values()}
    for n, step in enumerate(steps):
        if world.compiled.tools[step.tool].writes:
            _, short = executed(world, drawn, steps, without=n)
            with FinalState(world, short) as state:
                assert not all(state.check(sql, drawn.values) for sql in intent.checks), f"nothing misses {step.tool}"
            continue
        elsewhere = lambda upto, n=n: told | {c for m, r in results.items() if m != n and m < upto for c in cells(r)}  # noqa: E731
        only_here = [value for later, value in used(steps, n, drawn, results) if value not in elsewhere(later)]
        answers = [str(drawn.values[a[1:]]) for a in intent.answers if "." not in a]
        only_here += [a for a in answers if a in set(cells(results[n])) and a not in elsewhere(len(steps))]
        assert only_here, f"call {n}, {step.tool}, shows nothing that is needed later and not seen elsewhere"
