"""The state verdict: every case of the architecture's section 5, and the rules one by one."""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import Any

import pytest

from pipeline.judging.state import match_change, state_verdict
from pipeline.types import Cell, Change, Expected, RowInsert, TableShape
from pipeline.verdicts import StateVerdict
from tests.judging.build import (
    SHAPES,
    Reader,
    answer,
    booking,
    change,
    delete,
    mail,
    meal,
    outcome,
    passenger,
    told_in,
    update,
)  # fmt: skip


def verdict(
    expected: Expected | Sequence[Expected], actual: Change, allow: tuple[str, ...] = (), *, wrote: bool = True,
    text: str = "", reader: Reader | None = None, **more: Any,
) -> StateVerdict:  # fmt: skip
    outcomes = [expected] if isinstance(expected, Expected) else expected
    return state_verdict(
        outcomes, actual, SHAPES, allow, wrote=wrote, reader=reader or Reader(), told=told_in(text), **more
    )


def kinds(result: StateVerdict) -> list[str]:
    assert not result.passed
    return sorted(d.kind for d in result.differences)


TWO_BOOKINGS = outcome(
    booking("B1", "ann"), passenger("P1", "B1", "Ann"), passenger("P2", "B1", "Ben"), meal("P1", 1),
    booking("B2", "cid"), passenger("P3", "B2", "Cid"), update("accounts", "A", "cents", 50000, 26000),
)  # fmt: skip


# ---------------------------------------------------------------- the listed cases


def test_two_bookings_made_in_swapped_order_with_their_children_pass() -> None:
    actual = change(
        booking("B1", "cid"), passenger("P1", "B1", "Cid"),
        booking("B2", "ann"), passenger("P3", "B2", "Ann"), passenger("P2", "B2", "Ben"), meal("P3", 1),
        update("accounts", "A", "cents", 50000, 26000),
    )  # fmt: skip
    assert verdict(TWO_BOOKINGS, actual).passed


def test_independent_writes_in_another_order_pass() -> None:
    expected = outcome(booking("B1", "ann"), mail("M1", "Hello"), update("flights", "TW1", "seats_left", 9, 8))
    actual = change(update("flights", "TW1", "seats_left", 9, 8), mail("M1", "Other words"), booking("B1", "ann"))
    assert verdict(expected, actual).passed


def test_a_change_without_any_extra_passes_whatever_was_read() -> None:
    assert verdict(outcome(), change(), wrote=False).passed


def test_a_write_repeated_into_a_second_effect_fails() -> None:
    result = verdict(outcome(booking("B1")), change(booking("B1"), booking("B2")))
    assert kinds(result) == ["extra"]
    assert result.differences[0].table == "bookings"


def test_the_same_thing_done_twice_instead_of_two_things_fails() -> None:
    expected = outcome(booking("B1", flight="TW1"), booking("B2", flight="TW2"))
    result = verdict(expected, change(booking("B1", flight="TW1"), booking("B2", flight="TW1")))
    assert [(d.kind, d.column, d.expected, d.actual) for d in result.differences] == [("cell", "flight", "TW2", "TW1")]


def test_another_route_passes_only_if_it_is_an_alternative_plan() -> None:
    gold = outcome(booking("B1"), delete("bookings", "B0"))
    other = outcome(update("bookings", "B0", "flight", "TW9", "TW1"), plan="or1")
    actual = change(update("bookings", "B0", "flight", "TW9", "TW1"))
    assert not verdict(gold, actual).passed
    assert verdict([gold, other], actual) == StateVerdict(passed=True, plan="or1")


def test_regrouped_children_fail() -> None:
    expected = outcome(
        booking("B1"), booking("B2"), passenger("P1", "B1", "Ann"), passenger("P2", "B1", "Ben"),
        passenger("P3", "B2", "Cid"), passenger("P4", "B2", "Dan"),
    )  # fmt: skip
    actual = change(
        booking("B1"), booking("B2"), passenger("P1", "B1", "Ann"), passenger("P2", "B2", "Ben"),
        passenger("P3", "B1", "Cid"), passenger("P4", "B2", "Dan"),
    )  # fmt: skip
    assert "cell" in kinds(verdict(expected, actual))


def test_regrouped_grandchildren_that_look_alike_fail() -> None:
    # Every row looks the same by its own cells and by the multiset of its neighbours' cells.
    def party(groups: dict[str, list[str]], meals: dict[str, list[str]]) -> Change:
        rows = [booking(b) for b in groups] + [passenger(p, b) for b, ps in groups.items() for p in ps]
        return change(*rows, *(meal(p, n, m) for p, ms in meals.items() for n, m in enumerate(ms)))

    expected = party(
        {"B1": ["P1", "P2"], "B2": ["P3", "P4"]}, {"P1": ["fish"], "P2": ["fish"], "P3": ["rice"], "P4": ["rice"]}
    )
    regrouped = party(
        {"B1": ["P1", "P3"], "B2": ["P2", "P4"]}, {"P1": ["fish"], "P2": ["fish"], "P3": ["rice"], "P4": ["rice"]}
    )
    assert verdict(Expected(plan="gold", change=expected), expected).passed
    assert not verdict(Expected(plan="gold", change=expected), regrouped).passed


def test_book_then_erase_fails_where_nothing_was_to_change() -> None:
    assert kinds(verdict(outcome(), change(), wrote=True)) == ["wrote"]


# ---------------------------------------------------------------- inserted rows


def test_the_same_change_with_other_ids_passes_and_the_map_says_which_row_is_which() -> None:
    actual = change(
        booking("X9", "ann"), passenger("Y1", "X9", "Ben"), passenger("Y2", "X9", "Ann"), meal("Y2", 1),
        booking("X1", "cid"), passenger("Y3", "X1", "Cid"), update("accounts", "A", "cents", 50000, 26000),
    )  # fmt: skip
    rows, differences = match_change(TWO_BOOKINGS, actual, SHAPES)
    assert not differences
    assert rows == {
        ("bookings", ("B1",)): ("X9",), ("bookings", ("B2",)): ("X1",), ("passengers", ("P1",)): ("Y2",),
        ("passengers", ("P2",)): ("Y1",), ("passengers", ("P3",)): ("Y3",), ("meals", ("P1", 1)): ("Y2", 1),
    }  # fmt: skip


def test_a_missing_row_is_named_with_its_table() -> None:
    result = verdict(outcome(booking("B1"), mail("M1")), change(booking("B1")))
    assert [(d.kind, d.table) for d in result.differences] == [("missing", "mails")]


def test_a_wrong_cell_is_named_with_table_key_column_and_both_values() -> None:
    result = verdict(outcome(booking("B1", cents=12000)), change(booking("B7", cents=9000)))
    assert [(d.kind, d.table, d.key, d.column, d.expected, d.actual) for d in result.differences] == [
        ("cell", "bookings", ("B7",), "cents", 12000, 9000)
    ]


def test_a_key_that_is_not_generated_is_compared() -> None:
    expected = outcome(booking("B1"), passenger("P1", "B1"), meal("P1", 1), meal("P1", 2))
    assert verdict(expected, change(booking("B8"), passenger("P8", "B8"), meal("P8", 2), meal("P8", 1))).passed
    assert not verdict(expected, change(booking("B8"), passenger("P8", "B8"), meal("P8", 1), meal("P8", 3))).passed


def test_a_reference_to_an_old_row_is_compared_as_it_is() -> None:
    assert not verdict(outcome(passenger("P1", "B0")), change(passenger("P1", "B7"))).passed
    assert not verdict(
        outcome(booking("B1"), passenger("P1", "B1")), change(booking("B1"), passenger("P1", "B0"))
    ).passed


def test_an_equal_id_is_no_excuse_for_a_child_of_another_row() -> None:
    expected = outcome(booking("B1", "ann"), booking("B2", "bo"), passenger("P1", "B1"))
    swapped = change(booking("B1", "bo"), booking("B2", "ann"), passenger("P1", "B1"))
    assert not verdict(expected, swapped).passed


def test_an_old_row_that_points_to_a_new_one_decides_which_it_is() -> None:
    expected = outcome(booking("B1"), booking("B2"), passenger("P1", "B1", "Ann"), passenger("P2", "B2", "Ben"),
                       update("flights", "TW1", "booking_id", None, "B1"))  # fmt: skip
    good = change(booking("B1"), booking("B2"), passenger("P1", "B1", "Ben"), passenger("P2", "B2", "Ann"),
                  update("flights", "TW1", "booking_id", None, "B2"))  # fmt: skip
    bad = change(booking("B1"), booking("B2"), passenger("P1", "B1", "Ben"), passenger("P2", "B2", "Ann"),
                 update("flights", "TW1", "booking_id", None, "B1"))  # fmt: skip
    assert verdict(expected, good).passed
    assert not verdict(expected, bad).passed


# ---------------------------------------------------------------- compare modes


def test_clock_cells_may_differ_and_fold_ignores_case_accents_and_spaces() -> None:
    expected = outcome(booking("B1"), passenger("P1", "B1", "José  Núñez"))
    assert verdict(expected, change(booking("B1", made_at="later"), passenger("P1", "B1", "jose nunez"))).passed
    assert not verdict(expected, change(booking("B1"), passenger("P1", "B1", "Jose Nunes"))).passed


@pytest.mark.parametrize(("want", "have", "passes"), [
    ("Aisle, please", "Any aisle seat", True), ("Aisle", "", False), ("Aisle", "  ", False), ("Aisle", None, False),
    (None, None, True), (None, "an unasked-for note", False),
])  # fmt: skip
def test_a_text_must_be_written_where_one_was_to_be(want: str | None, have: str | None, passes: bool) -> None:
    assert verdict(outcome(booking("B1", note=want)), change(booking("B1", note=have))).passed is passes


def test_a_text_must_hold_its_mentions_and_new_ids_go_through_the_map() -> None:
    mentions = (("mails", ("M1",), "body", (answer("B1", new_in="bookings"), answer(12050, money=True))),)
    expected = outcome(booking("B1"), mail("M1", "B1 for $120.50"), mentions=mentions)
    assert verdict(expected, change(booking("B9"), mail("M2", "Your booking B9 comes to 120.50 USD."))).passed
    assert kinds(verdict(expected, change(booking("B9"), mail("M2", "Your booking B1: 120.50 USD.")))) == ["mention"]
    assert kinds(verdict(expected, change(booking("B9"), mail("M2", "Your booking B9: 125.50 USD.")))) == ["mention"]


def test_mentions_tell_apart_mails_that_are_alike_otherwise() -> None:
    def both(one: str, two: str) -> Change:
        return change(booking("B1", "ann"), booking("B2", "bo"), mail("M1", one), mail("M2", two))

    mentions = tuple(("mails", (m,), "body", (answer(b, new_in="bookings"),)) for m, b in (("M1", "B1"), ("M2", "B2")))
    expected = Expected(plan="gold", change=both("B1", "B2"), mentions=mentions)
    assert verdict(expected, both("about B2", "about B1")).passed
    assert not verdict(expected, both("about B2", "about B2")).passed


def test_derived_cells_are_ignored_in_both_directions() -> None:
    touched = update("accounts", "A", "total", 1, 2)
    assert verdict(outcome(touched), change(), wrote=False).passed
    assert verdict(outcome(), change(touched), wrote=False).passed


def test_a_clock_cell_of_an_old_row_is_extra_only_where_nothing_else_of_the_row_was_to_change() -> None:
    expected = outcome(update("accounts", "A", "cents", 5, 4))
    seen = update("accounts", "A", "seen_at", "x", "y")
    assert verdict(expected, change(update("accounts", "A", "cents", 5, 4), seen)).passed
    assert kinds(verdict(outcome(mail("M1")), change(mail("M1"), seen))) == ["extra"]


# ---------------------------------------------------------------- updates, deletes, extras, allow


def test_updates_must_all_be_there_and_no_others() -> None:
    expected = outcome(update("accounts", "A", "cents", 5, 4))
    assert kinds(verdict(expected, change())) == ["missing"]
    assert kinds(verdict(expected, change(update("accounts", "A", "cents", 5, 3)))) == ["cell"]
    also = update("accounts", "B", "cents", 5, 4)
    assert kinds(verdict(expected, change(*expected.change.updates, also))) == ["extra"]
    assert verdict(expected, change(*expected.change.updates, also), ("accounts",)).passed
    assert verdict(expected, change(*expected.change.updates, also), ("accounts.cents",)).passed
    assert not verdict(expected, change(*expected.change.updates, also), ("accounts.total", "mails")).passed


def test_deletes_must_all_be_there_and_no_others() -> None:
    expected = outcome(delete("bookings", "B0"))
    assert kinds(verdict(expected, change())) == ["missing"]
    assert kinds(verdict(expected, change(delete("bookings", "B0"), delete("mails", "M0")))) == ["extra"]
    assert verdict(expected, change(delete("bookings", "B0"), delete("mails", "M0")), ("mails",)).passed


def test_rows_of_an_allowed_table_may_be_added_but_the_expected_ones_are_still_needed() -> None:
    expected = outcome(mail("M1", recipient="bo"))
    assert verdict(expected, change(mail("M5", recipient="cy"), mail("M6", recipient="bo")), ("mails",)).passed
    assert not verdict(expected, change(mail("M5", recipient="cy")), ("mails",)).passed
    assert not verdict(expected, change(mail("M5"), mail("M6")), ("mails.body",)).passed


def test_an_allowed_child_does_not_hide_which_parent_is_meant() -> None:
    expected = outcome(booking("B1"), booking("B2"), passenger("P1", "B1", "Ann"))
    actual = change(booking("B1"), booking("B2"), passenger("P1", "B1", "Eve"), passenger("P2", "B2", "Ann"))
    assert verdict(expected, actual, ("passengers",)).passed
    assert not verdict(expected, actual).passed


# ---------------------------------------------------------------- checks, invariants, answers, the nearest plan


def test_a_check_is_asked_with_the_bindings_of_its_own_outcome() -> None:
    reader = Reader({"q": True})
    both = [
        outcome(booking("B1", flight="TW2"), plan="or1", checks=(("q", {"flight": "TW2"}),)),
        outcome(booking("B1", flight="TW1"), plan="gold", checks=(("q", {"flight": "TW1"}),)),
    ]
    assert verdict(both, change(booking("B4", flight="TW1")), reader=reader).plan == "gold"
    assert ("q", {"flight": "TW1"}) in reader.asked
    assert kinds(verdict(both, change(booking("B4", flight="TW1")), reader=Reader({"q": False}))) == ["check"]


def test_a_broken_invariant_fails_whatever_else_holds() -> None:
    result = verdict(outcome(booking("B1")), change(booking("B1")), reader=Reader(broken=("balance adds up",)))
    assert kinds(result) == ["invariant"]
    assert "balance adds up" in str(result.differences[0])


def test_required_answers_must_be_told_with_the_id_that_this_run_gave() -> None:
    expected = outcome(booking("B1"), answers=(answer("B1", new_in="bookings"), answer(12000, money=True)))
    assert verdict(expected, change(booking("B7")), text="Booked as B7, $120.00.").passed
    result = verdict(expected, change(booking("B7")), text="Booked as B1, $120.00.")
    assert [(d.kind, d.expected) for d in result.differences] == [("answer", "B7")]


def test_either_of_two_rows_that_are_alike_may_be_the_one_that_is_named() -> None:
    expected = outcome(booking("B1"), booking("B2"), answers=(answer("B1", new_in="bookings"),))
    assert verdict(expected, change(booking("B1"), booking("B2")), text="It is B2.").passed
    assert not verdict(expected, change(booking("B1"), booking("B2")), text="It is B3.").passed


def test_the_differences_of_the_nearest_outcome_are_reported() -> None:
    far, near = outcome(mail("M1"), delete("mails", "M0"), plan="far"), outcome(booking("B1"), mail("M1"), plan="near")
    result = verdict([far, near], change(booking("B1")))
    assert (result.plan, kinds(result)) == ("near", ["missing"])


# ---------------------------------------------------------------- cost


def _cpu_ms(run: Any, times: int = 20) -> float:
    run()
    start = process_time()
    for _ in range(times):
        run()
    return (process_time() - start) * 1000 / times


def _alike(n: int, wrong: bool = False) -> Change:
    rows = [booking(f"B{i:02}") for i in range(n)]
    for i in range(n):
        for k in range(3):
            rows += [passenger(f"P{i:02}{k}", f"B{i:02}"), meal(f"P{i:02}{k}", 1, "rice" if k else "fish")]
    if wrong:  # the same rows, but one booking has two of the fish and another none
        rows = [r for r in rows if r.key not in {("P000", 1), ("P011", 1)}]
        rows += [meal("P000", 1, "rice"), meal("P011", 1, "fish")]
    return change(*rows)


def test_ten_bookings_that_look_alike_with_children_and_grandchildren_do_not_blow_up() -> None:
    expected = Expected(plan="gold", change=_alike(10))
    start = process_time()
    assert verdict(expected, _alike(10)).passed
    assert process_time() - start < 0.5
    start = process_time()
    assert not verdict(expected, _alike(10, wrong=True)).passed
    assert process_time() - start < 2


def test_a_typical_verdict_costs_less_than_five_milliseconds() -> None:
    rows = [booking(f"B{i}", customer=f"c{i % 3}") for i in range(4)] + [passenger(f"P{i}", f"B{i}") for i in range(4)]
    expected = outcome(*rows, mail("M1"), mail("M2"), update("accounts", "A", "cents", 1, 2))
    assert _cpu_ms(lambda: verdict(expected, expected.change)) < 5
    wrong = change(*expected.change.inserts[1:], *expected.change.updates, booking("B9", cents=1))
    assert _cpu_ms(lambda: verdict(expected, wrong)) < 5


def test_an_exhausted_search_fails_and_says_so() -> None:
    expected = Expected(plan="gold", change=_alike(5))
    assert "search" in kinds(verdict(expected, _alike(5), max_nodes=1))


EDGES = SHAPES | {
    "edges": TableShape(
        name="edges",
        columns=("edge_id", "one", "other"),
        key=("edge_id",),
        generated=True,
        references={"one": "bookings", "other": "bookings"},
        compare={},
    )
}
CUBE = tuple((a, a ^ bit) for a in range(8) for bit in (1, 2, 4) if a < a ^ bit)
WAGNER = (*((i, (i + 1) % 8) for i in range(8)), *((i, i + 4) for i in range(4)))


def _graph(*parts: Sequence[tuple[int, int]]) -> Change:
    """Eight bookings that look alike for each part, linked as it says: by every count, each is like any other."""
    rows = [booking(f"B{i:02}") for i in range(8 * len(parts))]
    pairs = [(8 * n + a, 8 * n + b) for n, part in enumerate(parts) for edge in part for a, b in (edge, edge[::-1])]
    for i, (a, b) in enumerate(pairs):
        row: dict[str, Cell] = {"edge_id": f"E{i:02}", "one": f"B{a:02}", "other": f"B{b:02}"}
        rows.append(RowInsert(table="edges", key=(f"E{i:02}",), row=row))
    return change(*rows)


def test_links_that_no_counting_can_tell_apart_are_told_apart_by_search() -> None:
    expected = Expected(plan="gold", change=_graph(CUBE, WAGNER))
    assert match_change(expected, _graph(WAGNER, CUBE), EDGES)[0] is not None
    assert match_change(Expected(plan="gold", change=_graph(CUBE)), _graph(WAGNER), EDGES)[0] is None
    _, differences = match_change(expected, _graph(WAGNER, CUBE), EDGES, max_nodes=1)
    assert "search" in {d.kind for d in differences} and len(differences) > 1


def test_a_key_that_is_itself_a_reference_says_which_parent_is_meant() -> None:
    shape = SHAPES["bookings"].model_copy(
        update={"name": "extras", "columns": ("booking_id",), "references": {"booking_id": "bookings"}, "compare": {}}
    )

    def extra(booking_id: str) -> RowInsert:
        return RowInsert(table="extras", key=(booking_id,), row={"booking_id": booking_id})

    shapes = SHAPES | {"extras": shape}
    expected = outcome(booking("B1", "ann"), booking("B2", "bo"), extra("B1"))
    good, bad = ((booking("B8", "bo"), booking("B9", "ann"), extra(b)) for b in ("B9", "B8"))
    assert match_change(expected, change(*good), shapes)[0] is not None
    assert match_change(expected, change(*bad), shapes)[0] is None
