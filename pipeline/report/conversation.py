"""One dataset row to read: who said what, which calls were made, what changed, and why it was kept or not.

`verdict_lines` and `change_lines` are plain text, for any place; `conversation_html` is for a notebook or a page. A row
is a mapping with the dataset's columns, as `pipeline.storage.dataset.read_rows` or a query gives it. Whatever it says
may have been written by a model, so all of it is escaped. How the verdict came about is not judged again here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import orjson

MARKS = {True: "✓", False: "✗", None: "–"}  # met, not met, not scored
_COLOURS = {"system": "#888888", "user": "#0072B2", "assistant": "#009E73", "tool": "#888888"}  # Okabe and Ito's
_REFUSED = "#D55E00"
_MEANS = {
    "state": ": the outcome is none of the right ones. Compare the changes",
    "gates": ": a criterion that must be met was not",
    "near_duplicate": ": an accepted row is nearly the same",
}


def verdict_lines(row: Mapping[str, Any]) -> list[str]:
    """Why a row was accepted or rejected, a sentence a line: the decision, what was planted, then the criteria.

    Criteria come as not met, met, and those that were not scored in one line.
    """
    dropped = row["drop_reason"]
    if dropped is None:
        lines = ["Accepted: the final state is a right one and no filter objected."]
    else:
        lines = [f"Rejected by the filter `{dropped}`{_MEANS.get(dropped, '')}."]
        if row.get("attribution"):
            lines.append(f"Put down to: {row['attribution']}.")
    if row["status"] != "ok":
        lines.append(f"The episode ended as {row['status']}.")
    if row["mistakes"]:
        lines.append(f"The expert was made to err here: {', '.join(row['mistakes'])}.")
    for passed in (False, True):
        for c in (c for c in row["criteria"] if c["passed"] is passed):
            said = dict.fromkeys(part.rstrip(".") for part in (c["choice"], c["reason"], c["evidence"]) if part)
            lines.append(f"{MARKS[passed]} {c['name']}: {'; '.join(said)}")
    if unscored := [c["name"] for c in row["criteria"] if c["passed"] is None]:
        lines.append(f"{MARKS[None]} not scored: {', '.join(unscored)}")
    return lines


def change_lines(change: str) -> list[str]:
    """A change of state (the JSON of a row's `expected_change` or `actual_change`), a line for each part of it."""
    parts = orjson.loads(change)
    lines = [f"+ {_place(p)}  {_cells(p['row'])}" for p in parts["inserts"]]
    lines += [f"~ {_place(p)}.{p['column']}  {_cell(p['before'])} → {_cell(p['after'])}" for p in parts["updates"]]
    lines += [f"- {_place(p)}  {_cells(p['row'])}" for p in parts["deletes"]]
    return lines or ["nothing changes"]


def conversation_html(row: Mapping[str, Any]) -> str:
    """A row as one piece of HTML: the verdict, both changes side by side, then the conversation with results folded."""
    head = f"{row['domain']} · {row['kind']} · difficulty {row['difficulty']} · persona {row['persona']}"
    verdict = "".join(f"<li>{escape(line)}</li>" for line in verdict_lines(row))
    changes = "".join(
        f"<td style='text-align:left;vertical-align:top'><b>{title}</b><pre>{escape(_text(row[column]))}</pre></td>"
        for title, column in (("Expected change", "expected_change"), ("Actual change", "actual_change"))
    )
    return (
        f"<div style='max-width:60em'><h3>{escape(head)}</h3><p><code>{escape(row['episode_id'])}</code></p>"
        f"<ul style='list-style:none;padding-left:0'>{verdict}</ul><table><tr>{changes}</tr></table>"
        f"{_messages(row)}</div>"
    )


def _messages(row: Mapping[str, Any]) -> str:
    outcomes = {call["call_id"]: call for call in row["calls"]}
    mine: Sequence[Mapping[str, Any]] = [call for call in row["calls"] if call["actor"] == "user"]
    turn, out = 0, []
    for message in orjson.loads(row["messages"]):
        role, content = message["role"], message.get("content") or ""
        turn += role == "assistant"
        if role == "tool":
            call = outcomes.get(message.get("tool_call_id"))
            out.append(_block(role, _folded(_outcome(call), content, refused=call is not None and not call["ok"])))
        elif role == "system":
            out.append(_block(role, _folded("system: the policy", content)))
        else:
            calls = [_call(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls", ())]
            text = [f"<div style='white-space:pre-wrap'>{escape(content)}</div>"] if content else []
            out.append(_block(role, f"<b>{role}</b>" + "".join(text + calls)))
        if role == "user":  # what a user does with tools of their own is no message
            for call in (call for call in mine if call["turn"] == turn):
                told = _folded(_outcome(call), call["result"] or call["error"] or "", refused=not call["ok"])
                out.append(
                    _block(role, f"<b>user, on their own device</b>{_call(call['name'], call['arguments'])}{told}")
                )
    return "".join(out)


def _outcome(call: Mapping[str, Any] | None) -> str:
    if call is None:
        return "result"
    fault = f" (fault: {call['fault']})" if call["fault"] else ""
    return f"{call['name']} " + ("→ result" if call["ok"] else f"refused: {call['error']}") + fault


def _block(role: str, inner: str) -> str:
    return f"<div style='border-left:4px solid {_COLOURS[role]};margin:6px 0;padding:2px 10px'>{inner}</div>"


def _folded(title: str, text: str, refused: bool = False) -> str:
    colour = f" style='color:{_REFUSED}'" if refused else ""
    body = f"<pre style='white-space:pre-wrap'>{escape(_pretty(text))}</pre>"
    return f"<details><summary{colour}>{escape(title)}</summary>{body}</details>"


def _call(name: str, arguments: str) -> str:
    return f"<pre style='white-space:pre-wrap;margin:2px 0'>{escape(f'{name}({_pretty(arguments)})')}</pre>"


def _pretty(text: str) -> str:
    """JSON laid out to be read; text that is not JSON (a refusal, malformed arguments) as it is."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return text if len(text) < 90 else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _text(change: str) -> str:
    return "\n".join(change_lines(change))


def _place(part: Mapping[str, Any]) -> str:
    return f"{part['table']} {'/'.join(map(str, part['key']))}"


def _cells(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{column}={_cell(value)}" for column, value in row.items() if value is not None)


def _cell(value: str | int | None) -> str:
    return "nothing" if value is None else str(value)
