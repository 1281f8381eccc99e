"""The retail domain makes sense: its shop, the rules that its tools do not enforce, its money, its longest plans."""

from __future__ import annotations

import orjson
import pytest

from pipeline.domain import Intent
from pipeline.identity import Rng
from pipeline.tasks.draw import Drawer, Drawn, Drop
from pipeline.tasks.outcome import GoalRun, run_goal, run_plans
from pipeline.world import CompiledDomain, FinalState, SqlEnvironment, World
from pipeline.world import populate as make_world
from tests.domains.worlds import SEEDS, Row, called, compiled, rows


@pytest.fixture(scope="module")
def retail() -> CompiledDomain:
    return compiled("retail")


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, retail: CompiledDomain) -> World:
    return make_world(retail, request.param)


# ---------------------------------------------------------------- the shop


def test_a_world_is_rich_and_stays_small(world: World) -> None:
    counted = {table: rows(world, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in world.compiled.shapes}
    assert 2000 <= sum(counted.values()) <= 3500
    assert min(counted.values()) >= 3
    assert len(world.image) < 1_000_000


def test_every_product_has_options_in_several_colours_or_sizes_and_larger_ones_cost_no_less(world: World) -> None:
    assert not rows(world, "SELECT product_id FROM variants GROUP BY product_id HAVING count(*) < 4")
    wrong = rows(
        world,
        "SELECT a.sku FROM variants a JOIN variants b USING (product_id, colour) JOIN products p USING (product_id),"
        " json_each(p.sizes) x, json_each(p.sizes) y"
        " WHERE x.value = a.size AND y.value = b.size AND x.key < y.key AND a.price_cents > b.price_cents",
    )
    assert not wrong


def test_best_rated_is_one_product_of_each_kind_that_is_asked_for(retail: CompiledDomain, world: World) -> None:
    tied = rows(
        world,
        "SELECT kind FROM products WHERE kind IN ('lamp','kettle','rucksack','headset','speaker','tent','rug','jacket')"
        " GROUP BY kind, rating_tenths HAVING count(*) > 1",
    )
    assert not tied


def test_parcels_leave_after_their_order_and_arrive_after_they_left(world: World) -> None:
    wrong = rows(
        world,
        "SELECT h.shipment_id FROM shipments h JOIN orders o USING (order_id) WHERE h.dispatched_on < "
        "substr(o.placed_at, 1, 10)"
        " OR h.delivered_on < h.dispatched_on OR h.delivered_on >= :today"
        " OR (h.state = 'dispatched' AND h.dispatched_on > :today)",
    )
    assert not wrong


def test_orders_are_numbered_in_the_order_of_their_days(world: World) -> None:
    days = [row["day"] for row in rows(world, "SELECT substr(placed_at, 1, 10) AS day FROM orders ORDER BY order_id")]
    assert days == sorted(days)


# ---------------------------------------------------------------- calls, and the rules that they break


def broken(world: World, who: Row, *calls: tuple[str, Row], confirmed: bool = True) -> set[str]:
    find = ("find_customer_by_email", {"email": who["email"]})
    return called(world, [find, *calls], confirmed=confirmed)[0]


LINES = (
    "SELECT p.*, c.email, l.return_days, l.goodwill_cents FROM purchases p JOIN customers c USING (customer_id)"
    " JOIN levels l USING (level) WHERE "
)


def test_the_policy_states_every_rule_and_no_other(retail: CompiledDomain) -> None:
    stated = {
        line.split(".")[0].removeprefix("* ") for line in retail.domain.policy.splitlines() if line.startswith("* R")
    }
    assert stated == set(retail.domain.rules)
    refused = [retail.domain.rules[intent.rule or ""].by for intent in retail.domain.intents if intent.kind == "refuse"]
    assert 2 * refused.count("agent") >= len(refused)


def test_somebody_elses_order_or_nobody_found_breaks_r1(world: World) -> None:
    one, two = rows(world, "SELECT email, customer_id FROM customers LIMIT 2")
    order = rows(world, LINES + "p.customer_id = :c AND p.state = 'processing'", c=one["customer_id"])
    order = order or rows(world, LINES + "p.customer_id = :c", c=one["customer_id"])
    track = ("track_shipment", {"shipment_id": order[0]["shipment_id"]})
    assert broken(world, one, track) == set()
    assert broken(world, two, track) == {"R1"}
    assert called(world, [track])[0] == {"R1"}
    assert broken(world, one, ("find_customer_by_email", {"email": two["email"]})) == {"R1"}


def test_name_and_postcode_find_the_customer_as_well(world: World) -> None:
    row = rows(world, "SELECT c.name, a.postcode, c.customer_id FROM customers c JOIN addresses a USING (customer_id)")[
        0
    ]
    spelled = {"name": row["name"].upper(), "postcode": row["postcode"].replace(" ", "").lower()}
    find = ("find_customer_by_name", spelled)
    broke, results = called(world, [find, ("list_orders", {"customer_id": row["customer_id"]})])
    assert broke == set()
    assert results[0]["customer_id"] == row["customer_id"]


def test_a_cancellation_without_a_yes_breaks_r2(world: World) -> None:
    line = rows(world, LINES + "p.state = 'processing'")[0]
    cancel = ("cancel_item", {"item_id": line["item_id"]})
    assert broken(world, line, cancel) == set()
    assert broken(world, line, cancel, confirmed=False) == {"R2"}


def test_a_new_address_after_dispatch_breaks_r3(world: World) -> None:
    movable = (
        "SELECT o.order_id, a.address_id, c.email, EXISTS (SELECT 1 FROM shipments h WHERE h.order_id = o.order_id"
        " AND h.dispatched_on IS NOT NULL) AS gone FROM orders o JOIN customers c USING (customer_id)"
        " JOIN addresses a ON a.customer_id = o.customer_id AND a.address_id <> o.address_id"
        " WHERE o.status IN ('processing', 'dispatched')"
    )
    found = rows(world, movable)
    for gone, expected in ((0, set()), (1, {"R3"})):
        row = next(r for r in found if r["gone"] == gone)
        change = ("change_delivery_address", {"order_id": row["order_id"], "address_id": row["address_id"]})
        assert broken(world, row, change) == expected


def test_a_late_return_breaks_r4_unless_the_goods_are_faulty(world: World) -> None:
    ready = LINES + "p.state = 'delivered' AND p.returnable AND days_between(p.delivered_on, :today) "
    early, late = rows(world, ready + "<= 20")[0], rows(world, ready + "> 61")[0]

    def back(row: Row, reason: str) -> set[str]:
        return broken(world, row, ("create_return", {"item_id": row["item_id"], "quantity": 1, "reason": reason}))

    assert back(early, "changed_mind") == set()
    assert back(late, "changed_mind") == {"R4"}
    assert back(late, "faulty") == set()


def test_goodwill_without_a_late_delivery_or_of_another_amount_breaks_r5(world: World) -> None:
    free = LINES + "NOT EXISTS (SELECT 1 FROM vouchers v WHERE v.for_order = p.order_id) AND p.state = 'delivered' AND "
    days = (
        "(SELECT max(days_between(h.expected_on, coalesce(h.delivered_on, :today))) FROM shipments h"
        " WHERE h.order_id = p.order_id)"
    )
    late, fine = rows(world, f"{free} {days} >= 3")[0], rows(world, f"{free} {days} < 3")[0]

    def give(row: Row, cents: int) -> set[str]:
        arguments = {"customer_id": row["customer_id"], "order_id": row["order_id"], "amount_cents": cents}
        return broken(world, row, ("issue_voucher", arguments))

    assert give(late, late["goodwill_cents"]) == set()
    assert give(late, late["goodwill_cents"] + 500) == {"R5"}
    assert give(fine, fine["goodwill_cents"]) == {"R5"}


def test_an_exchange_for_another_product_breaks_r6(world: World) -> None:
    wanted = (
        "SELECT p.item_id, c.email, v.sku, v.product_id = p.product_id AS same FROM purchases p JOIN customers c"
        " USING (customer_id) JOIN variants v ON v.price_cents = p.price_cents AND v.sku <> p.sku JOIN sourcing s ON"
        " s.sku = v.sku WHERE p.state = 'delivered' AND p.returnable AND p.credited_cents = 0 AND s.available > 0"
        " AND days_between(p.delivered_on, :today) <= 29"
    )
    found = rows(world, wanted)
    for same, expected in ((1, set()), (0, {"R6"})):
        row = next(r for r in found if r["same"] == same)
        arguments = {"item_id": row["item_id"], "quantity": 1, "new_sku": row["sku"], "reason": "changed_mind"}
        assert broken(world, row, ("create_exchange", arguments)) == expected


def test_a_day_in_writing_that_no_tool_gave_breaks_r7(world: World) -> None:
    row = rows(
        world,
        LINES + "p.state = 'dispatched' AND p.expected_on BETWEEN add_days(:today, 1) AND add_days(:today, 20)",
    )[0]
    expected, other = (
        rows(world, "SELECT * FROM calendar WHERE day = add_days(:d, :n)", d=row["expected_on"], n=n)[0] for n in (0, 9)
    )
    track = ("track_shipment", {"shipment_id": row["shipment_id"]})

    def mail(text: str) -> set[str]:
        words = {"customer_id": row["customer_id"], "subject": "Your delivery", "body": f"It comes on {text}."}
        return broken(world, row, track, ("send_email", words))

    assert mail(expected["day_month"]) == mail(expected["day"]) == mail("the day that the carrier names") == set()
    assert mail(other["day_month"]) == mail(other["month_day"]) == mail(other["day"]) == {"R7"}


def test_a_difference_after_the_fortnight_breaks_r8(world: World) -> None:
    dear = LINES + "p.state IN ('processing', 'dispatched', 'delivered') AND p.credited_cents = 0"
    dear += " AND p.price_today_cents < p.price_cents AND days_between(p.ordered_on, :today) "
    for when, expected in (("<= 14", set()), ("> 14", {"R8"})):
        row = rows(world, dear + when)[0]
        assert broken(world, row, ("refund_price_difference", {"item_id": row["item_id"]})) == expected


def test_more_than_five_of_one_option_break_r9(world: World) -> None:
    who = rows(
        world,
        "SELECT c.email, c.customer_id, a.address_id, m.payment_method_id FROM customers c JOIN addresses a"
        " USING (customer_id) JOIN payment_methods m USING (customer_id) WHERE m.expires >= substr(:today, 1, 7)"
        " AND c.customer_id NOT IN (SELECT customer_id FROM basket_items)",
    )[0]
    option = rows(
        world, "SELECT s.sku, v.price_cents FROM sourcing s JOIN variants v USING (sku) WHERE s.available > 8"
    )
    sku, price = option[0]["sku"], option[0]["price_cents"]
    for quantity, expected in ((5, set()), (6, {"R9"})):
        add = ("add_to_basket", {"customer_id": who["customer_id"], "sku": sku, "quantity": quantity})
        quote = ("quote_basket", {"customer_id": who["customer_id"], "shipping": "standard"})
        _, results = called(world, [("find_customer_by_email", {"email": who["email"]}), add, quote])
        assert results[-1]["items_cents"] == quantity * price
        order = {key: who[key] for key in ("customer_id", "address_id", "payment_method_id")}
        place = ("place_order", {**order, "shipping": "standard", "total_cents": results[-1]["total_cents"]})
        assert broken(world, who, add, quote, place) == expected


# ---------------------------------------------------------------- money and stock


def test_a_cancelled_order_gives_back_every_penny_and_every_piece(world: World) -> None:
    order = rows(
        world, "SELECT o.*, c.email FROM orders o JOIN customers c USING (customer_id) WHERE status = 'processing'"
    )
    environment = SqlEnvironment(world)
    for row in order[:6]:
        before = rows(world, "SELECT sum(quantity) AS n FROM order_items WHERE order_id = :o", o=row["order_id"])[0][
            "n"
        ]
        outcome = environment.call("cancel_order", {"order_id": row["order_id"]})
        if outcome.error is not None:
            assert "dispatched" in outcome.error
            continue
        assert orjson.loads(outcome.result or "")["refunded_cents"] == row["total_cents"]
        assert before > 0
    with FinalState(world, environment.change()) as end:
        assert not end.broken_invariants()
        assert not end.rows(
            "SELECT 1 FROM orders JOIN order_funds USING (order_id) WHERE status = 'cancelled'"
            " AND card_cents + gift_cents <> 0",
            {},
            5,
        )
    environment.close()


def test_what_a_card_did_not_pay_goes_back_to_the_gift_card(retail: CompiledDomain) -> None:
    seen = 0
    for world in (make_world(retail, seed) for seed in range(4)):
        parted = rows(
            world,
            "SELECT r.return_id, r.refund_cents - f.card_cents AS rest, f.gift_card_code, g.balance_cents AS held"
            " FROM returns r JOIN order_items i USING (item_id) JOIN order_funds f USING (order_id)"
            " JOIN gift_cards g USING (gift_card_code) WHERE r.state = 'received' AND r.refund_cents > f.card_cents",
        )
        for row in parted:
            environment = SqlEnvironment(world)
            assert environment.call("refund_return", {"return_id": row["return_id"]}).ok
            outcome = environment.call("check_gift_card", {"gift_card_code": row["gift_card_code"]})
            assert orjson.loads(outcome.result or "")["balance_cents"] == row["held"] + row["rest"]
            environment.close()
            seen += 1
    assert seen > 0


def test_the_parts_of_a_return_never_bring_more_than_was_paid(world: World) -> None:
    dear = rows(
        world,
        "SELECT i.item_id FROM order_items i JOIN return_quotes q ON q.item_id = i.item_id AND q.quantity = 1 AND"
        " q.reason = 'faulty' WHERE q.refund_cents * i.quantity > i.quantity * i.price_cents - i.voucher_cents"
        " - i.credited_cents",
    )
    assert not dear


# ---------------------------------------------------------------- the stories


def drawn(world: World, name: str) -> tuple[Intent, Drawn]:
    intent, drawer = world.compiled.domain.intent(name), Drawer(world)
    for seed in range(60):
        try:
            return intent, drawer.draw(intent, Rng(seed), {})
        except Drop:
            continue
    raise AssertionError(f"no {name} can be drawn")


def test_the_longest_plan_buys_two_things_with_three_means_of_payment(world: World) -> None:
    intent, goal = drawn(world, "kit_out")
    assert len(intent.gold) == 15
    instead = {name: goal.values[name] for name in goal.accepted}
    expected, (run,) = run_plans(world, [goal], [("gold", intent.gold)], [instead])
    order = run.grounding.results["order"]
    assert order["voucher_cents"] > 0
    assert order["gift_card_cents"] > 0
    assert order["card_cents"] == order["total_cents"] - order["gift_card_cents"] > 0
    assert {row.table for row in expected.change.inserts} >= {
        "orders",
        "order_items",
        "shipments",
        "payments",
        "emails",
    }


@pytest.mark.parametrize(
    "name", ["cancel_whole_order", "faulty_either_way", "locked_out_cancel", "either_will_do", "one_of_them_damaged"]
)
def test_another_plan_is_as_right_as_the_gold(world: World, name: str) -> None:
    intent, goal = drawn(world, name)
    assert intent.alternatives
    for label, steps in (("gold", intent.gold), ("or1", intent.alternatives[0])):
        expected, _ = run_plans(world, [goal], [(label, steps)], [{}])
        with FinalState(world, expected.change) as end:
            assert all(end.check(sql, goal.values) for sql in intent.checks)


def test_any_colour_means_any_option_of_the_size_that_is_in_stock(world: World) -> None:
    _, goal = drawn(world, "order_any_colour")
    accepted = set(goal.accepted["sku"])
    options = rows(
        world,
        "SELECT v.sku FROM variants v JOIN sourcing s USING (sku) WHERE v.product_id = :p AND v.size = :z"
        " AND s.available > 0",
        p=goal.values["product_id"],
        z=goal.values["size"],
    )
    assert accepted == {row["sku"] for row in options}
    assert len(accepted) > 1


def test_customers_without_an_address_are_never_joined_with_others(retail: CompiledDomain, world: World) -> None:
    for name in ("locked_out_parcel", "locked_out_cancel"):
        _, goal = drawn(world, name)
        assert goal.values["email"] is None
        assert "email" not in goal.intent.facts


# ---------------------------------------------------------------- what is refused, and what no tool can do


REFUSED = {
    "someone_elses_order": "R1",
    "redirect_on_the_road": "R3",
    "return_too_late": "R4",
    "more_goodwill": "R5",
    "exchange_for_another_product": "R6",
    "promise_in_writing": "R7",
    "difference_after_months": "R8",
    "twelve_for_the_shop": "R9",
}


def forbidden(world: World, name: str) -> tuple[Intent, GoalRun]:
    intent, goal = drawn(world, name)
    environment = SqlEnvironment(world)
    run = run_goal(environment, world.compiled.domain, goal, "forbidden", intent.forbidden, {}, forbidden=True)
    environment.close()
    return intent, run


@pytest.mark.parametrize(("name", "rule"), REFUSED.items())
def test_doing_what_is_asked_breaks_just_the_rule_whatever_was_said(world: World, name: str, rule: str) -> None:
    intent, run = forbidden(world, name)
    assert intent.rule == rule
    assert len(run.calls) == len(intent.forbidden)
    made = [(tool, orjson.loads(arguments)) for tool, arguments, _ in run.calls]
    assert called(world, made, confirmed=True)[0] == {rule}
    assert called(world, made, confirmed=False)[0] >= {rule}


def test_the_tools_refuse_what_they_can_refuse_by_themselves(world: World) -> None:
    for intent in world.compiled.domain.intents:
        if intent.forbidden and intent.name not in REFUSED and intent.name != "topper_back":  # hardly in every world
            assert world.compiled.domain.rules[intent.rule or ""].by == "tool"
            _, run = forbidden(world, intent.name)
            assert len(run.calls) < len(intent.forbidden)
            assert run.plan.steps[-1].writes


def test_every_rule_of_the_agent_but_the_customers_word_is_pushed_against(retail: CompiledDomain) -> None:
    assert {name for name, rule in retail.domain.rules.items() if rule.by == "agent"} == {*REFUSED.values(), "R2"}
