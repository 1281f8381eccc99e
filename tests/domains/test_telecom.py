"""The telecom domain makes sense: bills that add up, the customer's own phone, rules for the agent to keep, stories."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson
import pytest

from pipeline.config import RunConfig
from pipeline.identity import Rng
from pipeline.tasks.draw import Drawer, Drop
from pipeline.tasks.personas import load_personas
from pipeline.tasks.synthesize import TaskMaker
from pipeline.types import DroppedTask
from pipeline.world import CompiledDomain, SqlEnvironment, World, populate
from tests.domains.worlds import SEEDS, Row, broken, compiled, rows

Made = tuple[str, Row]
MAIN = "l.label = 'Main'"


@pytest.fixture(scope="module")
def telecom() -> CompiledDomain:
    return compiled("telecom")


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, telecom: CompiledDomain) -> World:
    return populate(telecom, request.param)


def find(row: Row) -> Made:
    return "find_customer", {"phone_number": row["phone_number"]}


def hands(environment: SqlEnvironment, name: str, row: Row, **arguments: object) -> Row:
    """The result of one of the customer's own tools."""
    outcome = environment.call(name, {"phone_number": row["phone_number"], **arguments}, actor="user")
    assert outcome.ok, (name, outcome.error)
    result: Row = orjson.loads(outcome.result or "null")
    return result


def desk(environment: SqlEnvironment, name: str, **arguments: object) -> Row:
    """The result of one of the desk's tools."""
    outcome = environment.call(name, arguments)
    assert outcome.ok, (name, outcome.error)
    result: Row = orjson.loads(outcome.result or "null")
    return result


# ---------------------------------------------------------------- the world


def test_a_world_is_rich_and_stays_small(world: World) -> None:
    counted = {table: rows(world, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in world.compiled.shapes}
    assert 1_000 <= sum(counted.values()) <= 3_000
    assert len(world.image) < 1_000_000


def test_every_trouble_that_stories_need_is_there_and_many_phones_find_the_network(world: World) -> None:
    for trouble in ("airplane_mode", "NOT sim_seated", "network_mode = '2G'", "NOT mobile_data", "vpn",
                    "apn = 'internet'", "apn = 'web.othernet.example'", "NOT at_home AND NOT roaming",
                    "sim_status = 'blocked'", "NOT registered", "slowed", "outage = 2", "outage = 1"):  # fmt: skip
        assert rows(world, f"SELECT 1 AS x FROM reception WHERE {trouble}"), trouble
    (count,) = rows(world, "SELECT sum(in_service) AS well, count(*) AS n FROM data_speed")
    assert 3 * count["well"] > count["n"]


def test_nobody_at_the_desk_has_a_tool_that_looks_into_the_phone(telecom: CompiledDomain) -> None:
    phone = re.compile(r"\b(?:phones|reception|connection|data_speed)\b")
    for tool in telecom.domain.tools:
        statements = (*(guard.sql for guard in tool.requires), *tool.effects, tool.returns.sql)
        assert any(phone.search(sql) for sql in statements) == (tool.actor == "user"), tool.name


# ---------------------------------------------------------------- the phone in the customer's hand


def test_a_phone_in_airplane_mode_is_back_on_the_network_when_it_is_switched_off(world: World) -> None:
    row = rows(world, "SELECT phone_number FROM reception WHERE airplane_mode AND sim_seated AND status = 'active'"
                      " AND sim_status = 'active' AND at_home AND outage < 2 AND registered")[0]  # fmt: skip
    environment = SqlEnvironment(world)
    assert hands(environment, "check_status_bar", row) == {"network": "Airplane mode", "signal": "no bars"}
    hands(environment, "toggle_airplane_mode", row, on=False)
    assert hands(environment, "check_status_bar", row)["network"].startswith("Larkfield")


def test_data_abroad_needs_the_line_and_the_phone_and_one_alone_does_not_do(world: World) -> None:
    row = rows(world, "SELECT phone_number, line_id FROM data_speed WHERE NOT at_home AND NOT roaming AND mobile_data"
                      " AND status = 'active' AND sim_seated AND NOT airplane_mode")[0]  # fmt: skip
    for steps in ((0,), (1,), (0, 1)):
        environment = SqlEnvironment(world)
        if 0 in steps:
            desk(environment, "set_roaming", line_id=row["line_id"], on=True)
        if 1 in steps:
            hands(environment, "toggle_data_roaming", row, on=True)
        speed = hands(environment, "run_speed_test", row)["speed"]
        assert (speed != "no connection") == (steps == (0, 1))


def test_during_an_outage_nothing_that_is_done_to_the_phone_helps(world: World) -> None:
    row = rows(world, "SELECT phone_number FROM reception WHERE outage = 2 AND status = 'active' AND at_home"
                      " AND sim_status = 'active' AND sim_kind = 'plastic'")[0]  # fmt: skip
    environment = SqlEnvironment(world)
    for name, arguments in (("restart_phone", {}), ("reseat_sim", {}), ("reset_apn", {}),
                            ("set_network_mode", {"mode": "4G"}), ("toggle_airplane_mode", {"on": False})):  # fmt: skip
        hands(environment, name, row, **arguments)
    assert hands(environment, "check_status_bar", row)["network"] == "No service"


def test_pictures_fail_on_the_general_access_point_while_pages_load(world: World) -> None:
    row = rows(world, "SELECT phone_number FROM data_speed WHERE apn = 'internet' AND kbps > 0")[0]
    environment = SqlEnvironment(world)
    assert hands(environment, "run_speed_test", row)["speed"] != "no connection"
    assert hands(environment, "send_test_mms", row)["picture"] == "failed"
    hands(environment, "reset_apn", row)
    assert hands(environment, "send_test_mms", row)["picture"] == "was sent"


def test_a_top_up_lifts_the_slow_speed_at_once(world: World) -> None:
    row = rows(world, "SELECT d.phone_number, d.line_id FROM data_speed d JOIN lines l USING (line_id) LEFT JOIN extras"
                      " e USING (line_id) WHERE d.slowed AND d.kbps = 500 AND d.generation <> '3G'"
                      " AND l.spend_cap_cents >= coalesce(e.extras_cents, 0) + 300"
                      " AND (SELECT count(*) FROM topups t WHERE t.line_id = l.line_id) < 3")[0]  # fmt: skip
    environment = SqlEnvironment(world)
    assert hands(environment, "run_speed_test", row)["speed"] == "500 kbps"
    desk(environment, "buy_topup", line_id=row["line_id"], pack="Boost 1")
    assert hands(environment, "run_speed_test", row)["speed"].endswith("Mbps")


@pytest.mark.parametrize("wakes", [("restart_phone",), ("toggle_airplane_mode", "toggle_airplane_mode")])
def test_a_line_that_is_opened_again_is_found_after_a_restart_or_by_airplane_mode(
    world: World, wakes: Sequence[str]
) -> None:
    row = rows(world, "SELECT r.phone_number, r.line_id FROM reception r JOIN lines l USING (line_id) WHERE"
                      " l.suspended_for = 'unpaid' AND r.outage < 2 AND r.sim_status = 'active'")[0]  # fmt: skip
    environment = SqlEnvironment(world)
    assert hands(environment, "check_status_bar", row)["network"] == "Emergency calls only"
    desk(environment, "resume_line", line_id=row["line_id"])
    assert hands(environment, "check_status_bar", row)["network"] == "Searching for network"
    for n, name in enumerate(wakes):
        hands(environment, name, row, **({"on": n == 0} if len(wakes) > 1 else {}))
    assert hands(environment, "check_status_bar", row)["network"].startswith("Larkfield")


# ---------------------------------------------------------------- bills


def test_a_plan_from_today_is_charged_for_the_rest_of_the_month_and_one_from_the_next_bill_is_not(world: World) -> None:
    row = rows(world, "SELECT line_id, n.plan_id, b.bill_id, b.amount_cents, n.monthly_cents - o.monthly_cents AS more"
                      " FROM lines l JOIN plans o USING (plan_id) JOIN plans n ON n.plan = 'Ocean 200' JOIN bills b"
                      " USING (customer_id) WHERE l.status = 'active' AND o.plan = 'Stream 10' AND b.status = 'draft'"
                      " AND l.line_id NOT IN (SELECT line_id FROM plan_changes)")[0]  # fmt: skip
    for starts in ("today", "next_bill"):
        environment = SqlEnvironment(world)
        quote = desk(environment, "quote_plan_change", line_id=row["line_id"], plan_id=row["plan_id"])
        desk(environment, "change_plan", line_id=row["line_id"], plan_id=row["plan_id"], starts=starts)
        bill = desk(environment, "get_bill", bill_id=row["bill_id"])
        share = quote["due_if_today_cents"] if starts == "today" else 0
        assert bill["amount_cents"] == row["amount_cents"] + row["more"] + share


# ---------------------------------------------------------------- the policy


def test_the_policy_states_every_rule_and_no_other(telecom: CompiledDomain) -> None:
    lines = telecom.domain.policy.splitlines()
    assert {line.split(".")[0].removeprefix("* ") for line in lines if line.startswith("* R")} == set(
        telecom.domain.rules
    )


def test_every_rule_that_a_person_may_push_against_has_a_request_and_most_are_the_agents_to_keep(
    telecom: CompiledDomain,
) -> None:
    refused = [intent.rule for intent in telecom.domain.intents if intent.kind == "refuse"]
    by_agent = {name for name, rule in telecom.domain.rules.items() if rule.by == "agent"}
    assert by_agent - set(refused) == {"R2"}
    assert 2 * sum(rule in by_agent for rule in refused) >= len(refused)


def test_looking_into_another_customers_line_breaks_r1(world: World) -> None:
    one, two = rows(world, f"SELECT phone_number, line_id FROM lines l WHERE {MAIN} LIMIT 2")
    assert broken(world, [find(one), ("get_usage", {"line_id": one["line_id"]})]) == set()
    assert broken(world, [find(one), ("get_usage", {"line_id": two["line_id"]})]) == {"R1"}
    assert broken(world, [find(one), find(two)]) == {"R1"}


def test_blocking_a_line_without_a_yes_breaks_r2(world: World) -> None:
    row = rows(world, "SELECT phone_number, line_id FROM lines WHERE status = 'active'")[0]
    calls = [find(row), ("suspend_line", {"line_id": row["line_id"]})]
    assert broken(world, calls) == set()
    assert broken(world, calls, confirmed=False) == {"R2"}


def test_opening_a_line_before_the_overdue_bill_is_paid_breaks_r3_and_after_it_does_not(world: World) -> None:
    row = rows(world, "SELECT l.phone_number, l.line_id, b.bill_id, m.payment_method_id FROM lines l JOIN bills b"
                      " USING (customer_id) JOIN payment_methods m USING (customer_id) WHERE l.suspended_for = 'unpaid'"
                      " AND b.status = 'open' AND b.due_on < :today AND m.expires > :today")[0]  # fmt: skip
    pay = "pay_bill", {"bill_id": row["bill_id"], "payment_method_id": row["payment_method_id"]}
    resume = "resume_line", {"line_id": row["line_id"]}
    assert broken(world, [find(row), resume]) == {"R3"}
    assert broken(world, [find(row), pay, resume]) == set()
    assert broken(world, [find(row), resume, pay]) == {"R3"}


def test_opening_a_line_first_and_giving_more_time_then_breaks_r3(world: World) -> None:
    row = rows(world, "SELECT l.phone_number, l.line_id, b.bill_id, add_days(:today, 9) AS later FROM lines l JOIN"
                      " bills b USING (customer_id) WHERE l.suspended_for = 'unpaid' AND b.status = 'open'"
                      " AND b.due_on < :today AND NOT EXISTS (SELECT 1 FROM extensions e JOIN bills o USING (bill_id)"
                      " WHERE o.customer_id = l.customer_id AND e.granted_on > add_days(:today, -180))")[0]  # fmt: skip
    longer = "extend_due_date", {"bill_id": row["bill_id"], "new_due_on": row["later"]}
    resume = "resume_line", {"line_id": row["line_id"]}
    assert broken(world, [find(row), longer, resume]) == set()
    assert broken(world, [find(row), resume, longer]) == {"R3"}


def test_a_credit_of_another_amount_or_for_a_short_outage_breaks_r4(world: World) -> None:
    draw = ("SELECT l.phone_number, l.line_id, o.outage_id, p.monthly_cents * o.full_days / 30 AS due_cents FROM lines"
            " l JOIN outages o USING (area) JOIN plans p USING (plan_id) WHERE o.ended_on IS NOT NULL AND {}"
            " AND NOT EXISTS (SELECT 1 FROM credits c WHERE c.line_id = l.line_id)")  # fmt: skip
    for where, more, expected in (("o.full_days > 0", 0, set()), ("o.full_days > 0", 1, {"R4"}),
                                  ("o.full_days = 0", 500, {"R4"})):  # fmt: skip
        row = rows(world, draw.format(where))[0]
        credit = {"line_id": row["line_id"], "reason": "outage", "outage_id": row["outage_id"],
                  "amount_cents": row["due_cents"] + more}  # fmt: skip
        assert broken(world, [find(row), ("give_credit", credit)]) == expected


def test_a_charge_that_stands_once_is_not_wrong_and_of_two_only_one_is_r5(world: World) -> None:
    draw = ("SELECT l.phone_number, l.line_id, i.item_id, i.amount_cents FROM bill_items i JOIN same_charge s"
            " USING (item_id) JOIN bills b USING (bill_id) JOIN lines l USING (line_id) WHERE b.status = 'draft'"
            " AND i.kind = 'top-up' AND s.times = {} AND NOT EXISTS (SELECT 1 FROM credits c WHERE c.charge_id"
            " IS NOT NULL AND c.line_id = l.line_id)")  # fmt: skip
    once, twice = rows(world, draw.format(1))[0], rows(world, draw.format(2))

    def off(row: Row) -> Made:
        return "remove_bill_item", {"item_id": row["item_id"]}

    def credit(row: Row, less: int = 0) -> Made:
        given = {"line_id": row["line_id"], "reason": "wrong charge", "item_id": row["item_id"]}
        return "give_credit", {**given, "amount_cents": row["amount_cents"] - less}

    first, second = [row for row in twice if row["line_id"] == twice[0]["line_id"]]
    assert broken(world, [find(once), off(once)]) == {"R5"}
    assert broken(world, [find(once), credit(once)]) == {"R5"}
    assert broken(world, [find(first), off(first)]) == set()
    assert broken(world, [find(first), credit(second)]) == set()
    assert broken(world, [find(first), credit(second, less=1)]) == {"R5"}
    assert broken(world, [find(first), off(first), credit(second)]) == {"R5"}
    assert broken(world, [find(first), off(first), off(second)]) == {"R5"}


def test_a_port_code_within_a_week_of_a_new_sim_breaks_r6(world: World) -> None:
    for sign, expected in ((">", {"R6"}), ("<=", set())):
        row = rows(
            world,
            "SELECT l.phone_number, l.line_id FROM lines l JOIN sims s USING (line_id) WHERE l.status = 'active' AND"
            f" s.status = 'active' AND s.activated_on {sign} add_days(:today, -7)"
            " AND l.line_id NOT IN (SELECT line_id FROM ports)",
        )[0]
        assert broken(world, [find(row), ("issue_port_code", {"line_id": row["line_id"]})]) == expected


def test_a_card_for_an_address_of_this_conversation_breaks_r7_and_an_esim_does_not(world: World) -> None:
    row = rows(world, f"SELECT phone_number, line_id, customer_id FROM lines l WHERE {MAIN} AND status = 'active' AND"
                      " line_id NOT IN (SELECT line_id FROM sims WHERE status = 'sent')")[0]  # fmt: skip
    moved = "update_address", {"customer_id": row["customer_id"], "address": "1 New Street, York YO1 1AA"}
    for kind, expected in (("plastic", {"R7"}), ("esim", set())):
        order = "order_sim", {"line_id": row["line_id"], "kind": kind}
        assert broken(world, [find(row), moved, order]) == expected
        assert broken(world, [find(row), order]) == set()


def test_a_cheaper_plan_within_the_term_breaks_r8_and_a_dearer_one_does_not(world: World) -> None:
    for sign, expected in (("<", {"R8"}), (">", set())):
        row = rows(
            world,
            "SELECT l.phone_number, l.line_id, n.plan_id FROM lines l JOIN plans o USING (plan_id) JOIN plans n ON"
            f" n.on_sale AND n.monthly_cents {sign} o.monthly_cents WHERE l.status = 'active'"
            " AND l.term_ends_on > add_days(:today, 40)",
        )[0]
        for starts in ("today", "next_bill"):
            change = {"line_id": row["line_id"], "plan_id": row["plan_id"], "starts": starts}
            assert broken(world, [find(row), ("change_plan", change)]) == expected


def test_more_time_twice_in_half_a_year_breaks_r9(world: World) -> None:
    for had, expected in (("EXISTS", {"R9"}), ("NOT EXISTS", set())):
        row = rows(
            world,
            "SELECT l.phone_number, b.bill_id, add_days(max(b.due_on, :today), 7) AS later FROM lines l JOIN bills b"
            f" USING (customer_id) WHERE {MAIN} AND b.status = 'open' AND {had} (SELECT 1 FROM extensions e JOIN bills"
            " o USING (bill_id) WHERE o.customer_id = l.customer_id AND e.granted_on > add_days(:today, -180))",
        )[0]
        longer = {"bill_id": row["bill_id"], "new_due_on": row["later"]}
        assert broken(world, [find(row), ("extend_due_date", longer)]) == expected


def test_a_childs_filter_stays_on_and_everybody_elses_is_theirs_to_set(world: World) -> None:
    for child, expected in ((1, {"R10"}), (0, set())):
        row = rows(world, "SELECT phone_number, line_id FROM lines WHERE child = :child AND premium_bar"
                          " AND status = 'active'", child=child)[0]  # fmt: skip
        off = {"line_id": row["line_id"], "option": "premium_bar", "on": False}
        assert broken(world, [find(row), ("set_line_option", off)]) == expected


# ---------------------------------------------------------------- choices and stories


def test_either_of_two_equal_charges_is_right(world: World) -> None:
    drawn = Drawer(world).draw(world.compiled.domain.intent("topup_charged_twice"), Rng(1), {})
    assert len(drawn.accepted["item_id"]) == 2


def test_only_cards_that_have_not_expired_are_among_those_that_may_pay(world: World) -> None:
    drawer, intent = Drawer(world), world.compiled.domain.intent("pay_bill_either_card")
    sizes = set()
    for seed in range(12):
        try:
            drawn = drawer.draw(intent, Rng(seed), {})
        except Drop:
            continue
        sizes.add(len(drawn.accepted["payment_method_id"]))
        for method in drawn.accepted["payment_method_id"]:
            assert rows(world, "SELECT 1 AS x FROM payment_methods WHERE payment_method_id = :id"
                               " AND expires >= substr(:today, 1, 7)", id=method)  # fmt: skip
    assert sizes == {1, 2}


def test_there_are_stories_for_the_phone_other_right_plans_and_each_tool_a_use(telecom: CompiledDomain) -> None:
    intents = telecom.domain.intents
    assert sum(intent.kind == "dual_control" for intent in intents) >= 6
    assert sum(bool(intent.alternatives) for intent in intents) >= 4
    used = {step.tool for intent in intents for plan in intent.plans for step in plan}
    assert used == {tool.name for tool in telecom.domain.tools}


def test_another_order_of_a_plan_keeps_the_users_steps_and_pays_before_it_opens(world: World) -> None:
    telecom = world.compiled
    maker = TaskMaker(telecom, RunConfig(domains=("telecom",)), load_personas())
    others = 0
    for seed in range(12):
        task = maker.of(Drawer(world), "dual_control", ["pay_and_reopen"], seed)
        if isinstance(task, DroppedTask):
            continue
        for plan in task.goals[0].plans:
            tools = [step.tool for step in plan.steps]
            assert tools.index("pay_bill") < tools.index("resume_line"), plan.name
            own = next(i for i, step in enumerate(plan.steps) if step.actor == "user")
            assert tools.index("resume_line") < own, plan.name
            others += plan.name == "reordered"
    assert others
