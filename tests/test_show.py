"""A row in the terminal: the conversation, what changed, the verdict; and answers of queries."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from pipeline.answers import print_answer
from pipeline.errors import BadInput
from pipeline.show import show_row
from pipeline.storage.dataset import read_rows
from pipeline.storage.query import query


def shown(row: dict[str, object], *, full: bool = False) -> str:
    out = io.StringIO()
    show_row(Console(file=out, width=4000), row, full=full)
    return out.getvalue()


@pytest.fixture(scope="module")
def rows(small_run: Path) -> list[dict[str, object]]:
    return list(read_rows(small_run))


def test_every_message_and_every_call_is_shown(rows: list[dict[str, object]]) -> None:
    for row in rows[:12]:
        text = " ".join(shown(row).split())
        for message in orjson.loads(str(row["messages"]))[1:]:
            if message["role"] in ("user", "assistant") and message["content"]:
                assert " ".join(message["content"].split()) in text
        for call in row["calls"]:  # type: ignore[attr-defined]
            assert f"→ {call['name']}(" in text


def test_the_fate_of_a_row_and_what_was_planted_stand_on_top(rows: list[dict[str, object]]) -> None:
    planted = next(row for row in rows if row["mistakes"])
    head = shown(planted).partition("assistant of")[0]
    assert f"rejected: {planted['drop_reason']}" in head
    assert str(planted["mistakes"][0]) in head  # type: ignore[index]
    kept = next(row for row in rows if row["drop_reason"] is None)
    assert "passed, score" in shown(kept) and "accepted" in shown(kept)


def test_the_whole_system_prompt_is_shown_only_when_everything_is_asked_for(rows: list[dict[str, object]]) -> None:
    policy = "Fines are never waived"
    assert policy not in shown(rows[0]) and policy in shown(rows[0], full=True)


def test_markup_in_a_message_is_shown_as_it_is(rows: list[dict[str, object]]) -> None:
    messages = orjson.loads(str(rows[0]["messages"]))
    messages[1]["content"] = "[red]not red[/red] [/oops]"
    assert "[red]not red[/red] [/oops]" in shown({**rows[0], "messages": orjson.dumps(messages).decode()})


def test_answers_are_printed_as_tables_csv_and_json(small_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = query(small_run, "select kind, count(*) as n from rows group by kind order by kind")
    out = io.StringIO()
    print_answer(Console(file=out, width=200), answer, "table")
    assert "kind" in out.getvalue() and str(answer.rows[0][0]) in out.getvalue()
    print_answer(Console(), answer, "csv")
    assert capsys.readouterr().out.splitlines()[0] == "kind,n"
    print_answer(Console(), answer, "json")
    assert orjson.loads(capsys.readouterr().out.splitlines()[0])["kind"] == answer.rows[0][0]
    with pytest.raises(BadInput, match="Choose table, csv or json"):
        print_answer(Console(), answer, "xml")
