"""The banking domain makes sense: money that adds up, the rules that only the agent can keep, choices and stories."""

from __future__ import annotations

import re

import orjson
import pytest

from pipeline.identity import Rng
from pipeline.tasks.draw import Drawer, Drop
from pipeline.world import (
    CompiledDomain,
    SqlEnvironment,
    World,
    populate,
)
from tests.domains.worlds import SEEDS, Row, broken, compiled, rows

Made = tuple[str, Row]


@pytest.fixture(scope="module")
def banking() -> CompiledDomain:
    return compiled("banking")


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest, banking: CompiledDomain) -> World:
    return populate(banking, request.param)


def find(row: Row) -> Made:
    return "find_customer", {"email": row["email"]}


# ---------------------------------------------------------------- the world


def test_a_world_is_rich_and_stays_small(world: World) -> None:
    counted = {table: rows(world, f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in world.compiled.shapes}
    assert 1_000 <= sum(counted.values()) <= 3_000
    assert len(world.image) < 1_000_000


def test_every_kind_of_card_fee_and_payee_that_stories_need_is_there(world: World) -> None:
    assert {r["status"] for r in rows(world, "SELECT DISTINCT status FROM cards")} == {
        "active", "frozen", "lost", "ordered",
    }  # fmt: skip
    assert rows(world, "SELECT 1 AS x FROM cards WHERE frozen_by = 'security team'")
    assert rows(world, "SELECT 1 AS x FROM accounts WHERE balance_cents < 0")
    for topic in ("call-back made", "call-back requested"):
        assert rows(world, "SELECT 1 AS x FROM notes WHERE topic = :topic AND payee_id IS NOT NULL", topic=topic)


def test_nothing_was_posted_in_the_future_and_nothing_paid_with_a_card_of_another_account(world: World) -> None:
    assert not rows(world, "SELECT transaction_id FROM transactions WHERE posted_on > :today")
    assert not rows(
        world,
        "SELECT t.transaction_id FROM transactions t JOIN cards c USING (card_id) WHERE c.account_id <> t.account_id"
        " OR t.posted_on > coalesce(c.lost_on, :today)",
    )


def test_no_limit_in_the_world_is_above_its_tier(world: World) -> None:
    assert not rows(
        world,
        "SELECT c.customer_id FROM customers c JOIN tiers t USING (tier) JOIN accounts a USING (customer_id)"
        " LEFT JOIN cards x USING (account_id) WHERE c.transfer_limit_cents > t.top_transfer_limit_cents"
        " OR x.daily_limit_cents > t.top_card_limit_cents OR a.overdraft_cents > t.top_overdraft_cents",
    )


# ---------------------------------------------------------------- the policy


def test_the_policy_states_every_rule_and_no_other(banking: CompiledDomain) -> None:
    lines = banking.domain.policy.splitlines()
    assert {line.split(".")[0].removeprefix("* ") for line in lines if line.startswith("* R")} == set(
        banking.domain.rules
    )
    refused = [intent.rule for intent in banking.domain.intents if intent.kind == "refuse"]
    by_agent = [rule for rule in refused if rule and banking.domain.rules[rule].by == "agent"]
    assert 2 * len(by_agent) >= len(refused)


def test_the_policy_names_the_ceilings_of_the_tiers(world: World) -> None:
    for row in rows(world, "SELECT * FROM tiers"):
        for name, cents in row.items():
            if name.endswith("_cents"):
                assert f"{cents // 100:,}" in world.compiled.domain.policy, (row["tier"], name)


def test_looking_into_another_customers_account_breaks_r1(world: World) -> None:
    one, two = rows(world, "SELECT email, account_id FROM customers JOIN accounts USING (customer_id)"
                           " WHERE kind = 'current' AND accounts.name = 'Everyday' LIMIT 2")  # fmt: skip
    assert broken(world, [find(one), ("list_transactions", {"account_id": one["account_id"]})]) == set()
    assert broken(world, [find(one), ("list_transactions", {"account_id": two["account_id"]})]) == {"R1"}
    assert broken(world, [find(one), find(two)]) == {"R1"}


def test_freezing_a_card_without_a_yes_breaks_r2(world: World) -> None:
    row = rows(world, "SELECT email, card_id FROM cards JOIN accounts USING (account_id) JOIN customers"
                      " USING (customer_id) WHERE status = 'active'")[0]  # fmt: skip
    calls = [find(row), ("freeze_card", {"card_id": row["card_id"]})]
    assert broken(world, calls) == set()
    assert broken(world, calls, confirmed=False) == {"R2"}


def test_paying_a_payee_of_today_before_the_call_was_made_breaks_r3(world: World) -> None:
    for topic, expected in (("call-back requested", {"R3"}), ("call-back made", set())):
        row = rows(
            world,
            "SELECT c.email, a.account_id, p.payee_id FROM payees p JOIN notes n USING (payee_id) JOIN customers c"
            " ON c.customer_id = p.customer_id JOIN accounts a ON a.customer_id = p.customer_id"
            " WHERE p.added_on = :today AND n.topic = :topic AND a.name = 'Everyday' AND a.balance_cents > 1000",
            topic=topic,
        )[0]
        pay = {"from_account_id": row["account_id"], "payee_id": row["payee_id"], "amount_cents": 500}
        assert broken(world, [find(row), ("pay_payee", pay)]) == expected


FEES = """
    SELECT c.email, t.transaction_id, EXISTS (SELECT 1 FROM fee_refunds r JOIN transactions f ON f.transaction_id =
      r.fee_transaction_id JOIN accounts b USING (account_id) WHERE b.customer_id = c.customer_id
      AND r.refunded_on > add_days(:today, -365)) AS had,
    (SELECT count(*) FROM transactions g WHERE g.kind = 'fee' AND g.account_id = t.account_id
      AND g.counterparty = t.counterparty AND g.posted_on = t.posted_on) AS times
    FROM transactions t JOIN accounts a USING (account_id) JOIN customers c USING (customer_id)
    WHERE t.kind = 'fee' AND NOT EXISTS (SELECT 1 FROM fee_refunds r WHERE r.fee_transaction_id = t.transaction_id)"""


def refund(row: Row, reason: str) -> list[Made]:
    return [find(row), ("refund_fee", {"transaction_id": row["transaction_id"], "reason": reason})]


def test_a_second_goodwill_refund_within_a_year_breaks_r4(world: World) -> None:
    fees = rows(world, FEES)
    assert broken(world, refund(next(f for f in fees if not f["had"]), "goodwill")) == set()
    assert broken(world, refund(next(f for f in fees if f["had"]), "goodwill")) == {"R4"}


def test_calling_a_fee_an_error_that_was_taken_once_breaks_r5_and_so_does_refunding_both(world: World) -> None:
    fees = rows(world, FEES)
    twice = [f for f in fees if f["times"] == 2]
    pair = [f for f in twice if f["email"] == twice[0]["email"]]
    assert broken(world, refund(next(f for f in fees if f["times"] == 1), "bank_error")) == {"R5"}
    assert broken(world, refund(pair[0], "bank_error")) == set()
    assert broken(world, refund(pair[0], "bank_error") + refund(pair[1], "bank_error")[1:]) == {"R5"}


def test_a_limit_above_the_tier_breaks_r6(world: World) -> None:
    row = rows(world, "SELECT c.email, c.customer_id, t.* FROM customers c JOIN tiers t USING (tier)"
                      " WHERE c.transfer_limit_cents < t.top_transfer_limit_cents")[0]  # fmt: skip
    for more, expected in ((0, set()), (1, {"R6"})):
        new = {"customer_id": row["customer_id"], "limit_cents": row["top_transfer_limit_cents"] + more}
        assert broken(world, [find(row), ("set_transfer_limit", new)]) == expected


def test_raising_an_overdraft_after_an_unpaid_item_breaks_r7_and_lowering_it_does_not(world: World) -> None:
    row = rows(
        world,
        "SELECT c.email, a.account_id, a.overdraft_cents FROM transactions f JOIN accounts a USING (account_id) JOIN"
        " customers c USING (customer_id) JOIN tiers t USING (tier) WHERE f.counterparty = 'Unpaid item fee' AND"
        " f.posted_on > add_days(:today, -85) AND a.overdraft_cents + 500 < t.top_overdraft_cents",
    )[0]
    raised = {"account_id": row["account_id"], "limit_cents": row["overdraft_cents"] + 500}
    lowered = {"account_id": row["account_id"], "limit_cents": row["overdraft_cents"]}
    assert broken(world, [find(row), ("set_overdraft", raised)]) == {"R7"}
    clean = rows(
        world,
        "SELECT c.email, a.account_id FROM accounts a JOIN customers c USING (customer_id) WHERE a.name = 'Bills'"
        " AND a.overdraft_cents = 0",
    )[0]
    assert broken(world, [find(clean), ("set_overdraft", {**lowered, "account_id": clean["account_id"],
                                                          "limit_cents": 5000})]) == set()  # fmt: skip


def test_disputing_goods_within_fifteen_days_breaks_r8(world: World) -> None:
    for days, expected in (("BETWEEN 0 AND 14", {"R8"}), ("BETWEEN 15 AND 100", set())):
        row = rows(
            world,
            "SELECT c.email, t.transaction_id FROM transactions t JOIN accounts a USING (account_id) JOIN customers c"
            f" USING (customer_id) WHERE t.kind = 'card' AND days_between(t.posted_on, :today) {days}"
            " AND t.transaction_id NOT IN (SELECT transaction_id FROM disputes)",
        )[0]
        dispute = {"transaction_id": row["transaction_id"], "reason": "goods_not_received", "evidence": "A receipt"}
        assert broken(world, [find(row), ("open_dispute", dispute)]) == expected


def test_releasing_a_card_that_the_security_team_froze_breaks_r9(world: World) -> None:
    for who, expected in (("security team", {"R9"}), ("customer", set())):
        row = rows(
            world,
            "SELECT c.email, x.card_id FROM cards x JOIN accounts a USING (account_id) JOIN customers c"
            " USING (customer_id) WHERE x.status = 'frozen' AND x.frozen_by = :who",
            who=who,
        )[0]
        assert broken(world, [find(row), ("unfreeze_card", {"card_id": row["card_id"]})]) == expected


# ---------------------------------------------------------------- what the tools see to


def test_a_lost_card_cannot_be_brought_back_by_any_tool(world: World) -> None:
    (row, *_) = rows(world, "SELECT card_id FROM cards WHERE status = 'lost'")
    for tool in ("unfreeze_card", "freeze_card", "report_card_lost"):
        assert not SqlEnvironment(world).call(tool, row).ok
    assert not SqlEnvironment(world).call("set_card_limit", {**row, "limit_cents": 100}).ok


def test_a_days_limit_counts_what_was_sent_and_not_what_was_moved(world: World) -> None:
    row = rows(
        world,
        "SELECT c.customer_id, c.transfer_limit_cents - s.sent_cents AS left_cents, a.account_id,"
        " b.account_id AS saver, p.payee_id FROM customers c JOIN sent_by_day s USING (customer_id)"
        " JOIN accounts a USING (customer_id) JOIN"
        " accounts b USING (customer_id) JOIN payees p USING (customer_id) WHERE s.day = :today AND a.name = 'Everyday'"
        " AND b.kind = 'savings'",
    )[0]
    environment = SqlEnvironment(world)
    move = {"from_account_id": row["saver"], "to_account_id": row["account_id"], "amount_cents": 1000}
    assert environment.call("transfer_between_own", move).ok
    limits = orjson.loads(environment.call("get_limits", {"customer_id": row["customer_id"]}).result or "null")
    assert limits["left_today_cents"] == row["left_cents"]
    pay = {"from_account_id": row["account_id"], "payee_id": row["payee_id"], "amount_cents": row["left_cents"] + 1}
    assert environment.call("pay_payee", pay).error == "This would go beyond the customer's daily transfer limit."


# ---------------------------------------------------------------- choices and stories


@pytest.mark.parametrize("name", ["charged_twice", "fee_taken_twice"])
def test_either_of_two_equal_charges_is_right(world: World, name: str) -> None:
    drawer, intent = Drawer(world), world.compiled.domain.intent(name)
    drawn = drawer.draw(intent, Rng(1), {})
    assert len(drawn.accepted["transaction_id"]) == 2


def test_any_saver_that_covers_the_overdraft_may_pay_it_off_and_no_other(world: World) -> None:
    drawer, intent = Drawer(world), world.compiled.domain.intent("clear_overdraft_from_savings")
    for seed in range(6):
        try:
            drawn = drawer.draw(intent, Rng(seed), {})
        except Drop:
            continue
        for account in drawn.accepted["account_id"]:
            (row,) = rows(world, "SELECT * FROM accounts WHERE account_id = :id", id=account)
            assert row["kind"] == "savings" and row["balance_cents"] >= int(str(drawn.values["owed_cents"]))


def test_five_stories_have_another_right_plan_four_leave_a_choice_and_each_tool_has_a_use(
    banking: CompiledDomain,
) -> None:
    intents = banking.domain.intents
    assert sum(bool(intent.alternatives) for intent in intents) >= 5
    assert sum(any(draw.accept for draw in intent.draw.values()) for intent in intents) >= 4
    used = {step.tool for intent in intents for plan in intent.plans for step in plan}
    assert used == {tool.name for tool in banking.domain.tools}


def test_a_payment_may_leave_from_any_current_account_that_covers_it(world: World) -> None:
    drawer, intent = Drawer(world), world.compiled.domain.intent("pay_from_either_account")
    both = 0
    for seed in range(8):
        try:
            drawn = drawer.draw(intent, Rng(seed), {})
        except Drop:
            continue
        right = drawn.accepted["account_id"]
        both += len(right) == 2
        for row in rows(world, "SELECT * FROM accounts WHERE customer_id = :id", id=drawn.values["customer_id"]):
            covers = row["balance_cents"] + row["overdraft_cents"] >= int(str(drawn.values["amount_cents"]))
            assert (row["account_id"] in right) == (row["kind"] == "current" and covers)
    assert both


# ---------------------------------------------------------------- saying no


def test_every_rule_that_a_person_may_push_against_is_pushed_against(banking: CompiledDomain) -> None:
    refused = {intent.rule for intent in banking.domain.intents if intent.kind == "refuse"}
    by_agent = {name for name, rule in banking.domain.rules.items() if rule.by == "agent"}
    assert by_agent - refused == {"R2"}  # the customer's own word is nothing that a customer asks to be refused


def test_what_is_asked_of_this_desk_in_vain_is_done_by_no_tool(banking: CompiledDomain) -> None:
    effects = " ".join(effect for tool in banking.domain.tools for effect in tool.effects)
    for impossible in (
        r"DELETE",
        r"UPDATE payees",
        r"UPDATE disputes",
        r"UPDATE transfers",
        r"\bphone =",
        r"next_on =",
    ):
        assert not re.search(impossible, effects), impossible
    for turn_to in ("branch", "app", "payments team", "originator", "disputes team", "lending advisers"):
        assert turn_to in banking.domain.policy


# ---------------------------------------------------------------- when an answer is lost


def test_a_payment_in_doubt_is_found_among_the_transactions_by_its_number(world: World) -> None:
    (row, *_) = rows(
        world,
        "SELECT a.account_id, p.payee_id FROM accounts a JOIN payees p USING (customer_id)"
        " WHERE a.kind = 'current' AND a.balance_cents > 10000 AND p.added_on < :today",
    )
    environment = SqlEnvironment(world)
    pay = {"from_account_id": row["account_id"], "payee_id": row["payee_id"], "amount_cents": 4321}
    paid = orjson.loads(environment.call("pay_payee", pay).result or "null")
    look = {"account_id": row["account_id"], "kind": "transfer"}
    seen = orjson.loads(environment.call("list_transactions", look).result or "null")
    assert [t["amount_cents"] for t in seen if t["transfer_id"] == paid["transfer_id"]] == [4321]
