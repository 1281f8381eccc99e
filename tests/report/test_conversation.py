"""A row as people read it: everything that was said and done is there, and nothing that it says can do harm."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from pipeline.report.conversation import change_lines, conversation_html, verdict_lines
from pipeline.storage.schema import dataset_row
from pipeline.types import CellUpdate, Change, RowDelete, RowInsert
from tests.storage import builders


def row(**changes: Any) -> dict[str, Any]:
    """A dataset row of the kind that storage's tests use: one refused call, one that worked, a report."""
    return dataset_row(
        builders.record(3, **changes),
        category="test",
        fingerprint="f",
        split="train",
        judge="program",
        attempts=2,
        passes=1,
        attribution=changes.get("drop_reason") and "agent",
        provenance="{}",
    )


def said(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


def test_a_conversation_shows_every_message_call_and_outcome_in_order() -> None:
    text = said(conversation_html(row(opening="I need a thing.", said="Your thing is booked.")))
    order = ["I need a thing.", "book({&quot;things&quot;:1})", "book refused: Unknown argument things."]
    order += ["book({&quot;thing&quot;:&quot;thing 3&quot;})", "book → result", "Your thing is booked."]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_what_a_row_says_is_shown_and_never_executed() -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    found = row(opening=attack, said=attack, thing=attack)
    found["criteria"] = [c | {"reason": attack, "evidence": attack, "choice": attack} for c in found["criteria"]]
    found |= {"persona": attack, "drop_reason": attack, "mistakes": [attack], "kind": attack}
    found["calls"] = [call | {"error": attack, "fault": attack} for call in found["calls"]]
    html = conversation_html(found)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script") >= 8


def test_a_call_of_the_users_own_stands_where_it_was_made() -> None:
    found = row(opening="I look.", said="Thank you.")
    call = found["calls"][1] | {
        "actor": "user",
        "turn": 0,
        "call_id": "u0",
        "name": "read_meter",
        "result": '{"kwh":7}',
    }
    text = said(conversation_html(found | {"calls": [*found["calls"], call]}))
    assert text.index("I look.") < text.index("read_meter(") < text.index("kwh") < text.index("Thank you.")


def test_a_fault_is_named_on_the_call_that_it_struck() -> None:
    found = row()
    found["calls"] = [call | {"fault": "lost_ack"} if call["ok"] else call for call in found["calls"]]
    assert "book → result (fault: lost_ack)" in conversation_html(found)


def test_the_verdict_says_why_a_row_was_accepted() -> None:
    lines = verdict_lines(row())
    assert lines[0].startswith("Accepted")
    assert "✓ grounded: yes; every value was seen" in lines


def test_the_verdict_says_why_a_row_was_rejected_and_what_was_planted() -> None:
    rejected = row(state=False, gate=False, drop_reason="state", mistakes=("wrong_argument",), status="ok")
    lines = verdict_lines(rejected)
    assert lines[0].startswith("Rejected by the filter `state`:")
    assert lines[1:] == [
        "Put down to: agent.",
        "The expert was made to err here: wrong_argument.",
        "✗ confirmed: no",
        "✓ grounded: yes; every value was seen",
    ]
    assert verdict_lines(row(drop_reason="cap"))[0] == "Rejected by the filter `cap`."
    assert verdict_lines(row(gate=None))[-1] == "– not scored: confirmed"
    assert "The episode ended as user_failure." in verdict_lines(row(status="user_failure", drop_reason="finished"))


def test_a_change_is_a_line_for_every_part() -> None:
    change = Change(
        inserts=(RowInsert(table="stays", key=("S1",), row={"stay_id": "S1", "nights": 2, "note": None}),),
        updates=(CellUpdate(table="rooms", key=("R1", 2), column="free", before=None, after=0),),
        deletes=(RowDelete(table="holds", key=("H1",), row={"hold_id": "H1"}),),
    )
    assert change_lines(change.model_dump_json()) == [
        "+ stays S1  stay_id=S1, nights=2",
        "~ rooms R1/2.free  nothing → 0",
        "- holds H1  hold_id=H1",
    ]
    assert change_lines(Change().model_dump_json()) == ["nothing changes"]


@pytest.mark.parametrize("arguments", ["{not json", "", "[1, 2", '"text"'])
def test_malformed_arguments_are_shown_as_they_were_written(arguments: str) -> None:
    found = row()
    messages = orjson.loads(found["messages"])
    messages[2]["tool_calls"][0]["function"]["arguments"] = arguments
    found["messages"] = orjson.dumps(messages).decode()
    assert f"book({arguments})".replace('"', "&quot;") in conversation_html(found)
