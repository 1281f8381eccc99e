"""A right run as a script: what is edited, and what is called otherwise when it is performed again."""

from __future__ import annotations

import orjson

from pipeline.check.bench import Bench
from pipeline.check.script import Line, Made, beside, calls_of, instead, replacing, script_of, without
from tests.admission.conftest import Drawn

LOOK = Made("find_member", "{}", 0)
WRITE = Made("renew_loan", "{}", 1)
SCRIPT = (
    Line("user", "Renew it."),
    Line("assistant", "Let me look.", (LOOK,)),
    Line("assistant", "Shall I?"),
    Line("user", "Yes."),
    Line("assistant", None, (WRITE,)),
    Line("assistant", "Done."),
)


def test_a_call_that_is_dropped_takes_its_message_along_and_leaves_the_others() -> None:
    assert without(SCRIPT, {1}) == (*SCRIPT[:4], SCRIPT[5])
    assert without(SCRIPT, {7}) == SCRIPT
    assert without(SCRIPT, {0, 1}) == (SCRIPT[0], SCRIPT[2], SCRIPT[3], SCRIPT[5])


def test_a_call_is_put_beside_another_in_a_message_of_its_own() -> None:
    again = Made("renew_loan", "{}")
    assert beside(SCRIPT, 1, again, after=True)[4:6] == (SCRIPT[4], Line("assistant", None, (again,)))
    assert beside(SCRIPT, 0, again, after=False)[1:3] == (Line("assistant", None, (again,)), SCRIPT[1])


def test_a_call_of_the_users_own_stays_in_the_users_hands() -> None:
    refresh, again = Made("refresh_app", "{}", 0), Made("refresh_app", "{}")
    script = (Line("user", "Hi"), Line("assistant", "Refresh it, please."), Line("user", "Done.", (refresh,)))
    assert beside(script, 0, again, after=True)[2].calls == (refresh, again)
    assert without(script, {0})[2] == Line("user", "Done.")
    assert [made.tool for made in calls_of(instead(script, 0, again))] == ["refresh_app"]


def test_texts_are_replaced_in_one_pass_so_that_two_ids_can_change_places() -> None:
    swap = replacing([("LN-001", "LN-002"), ("LN-002", "LN-001")])
    assert swap("LN-001 and LN-002") == "LN-002 and LN-001"
    assert replacing([("a", "b"), ("ab", "c")])("ab a") == "c b"


def test_a_script_performed_as_it_is_comes_to_what_the_run_came_to(toy_tasks: list[Drawn]) -> None:
    for task, stand in toy_tasks[:20]:
        bench = Bench(task, stand)
        careful = bench.careful(task.seed)
        again = bench.perform(script_of(careful), careful)
        assert (again.messages, again.change, again.state_after) == (
            careful.messages, careful.change, careful.state_after,
        )  # fmt: skip
        assert [call.result for call in again.calls] == [call.result for call in careful.calls]


def test_the_id_of_a_new_row_is_called_what_this_run_calls_it(toy_tasks: list[Drawn]) -> None:
    task, stand = next(one for one in toy_tasks if one.intents == ["borrow_with_note"])
    bench = Bench(task, stand)
    careful = bench.careful(task.seed)
    loan = next(call for call in careful.calls if call.name == "borrow_book")
    was = orjson.loads(loan.result or "")["loan_id"]
    moved = bench.perform(script_of(careful), careful, shift=7)
    now = orjson.loads(next(call for call in moved.calls if call.name == "borrow_book").result or "")["loan_id"]
    assert now != was
    note = next(call for call in moved.calls if call.name == "send_note")
    assert note.ok and now in note.arguments and was not in note.arguments
    assert now in (moved.messages[-1].content or "") and was not in (moved.messages[-1].content or "")


def test_an_altered_call_does_not_alter_the_report(toy_tasks: list[Drawn]) -> None:
    task, stand = next(one for one in toy_tasks if one.intents == ["hold_until"])
    bench = Bench(task, stand)
    careful = bench.careful(task.seed)
    hold = next(call for call in careful.calls if call.name == "place_hold")
    other = {**orjson.loads(hold.arguments), "pickup_by": "2030-01-01"}
    script = instead(script_of(careful), hold.index, Made(hold.name, orjson.dumps(other).decode(), hold.index, True))
    run = bench.perform(script, careful)
    assert run.calls[hold.index].ok and "2030-01-01" in (run.calls[hold.index].result or "")
    assert run.messages[-1].content == careful.messages[-1].content
