"""One trajectory in the terminal, from start to end, with what was expected and how it was judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LONG = 600  # characters of a result that are shown unless everything is asked for


def show_row(console: Console, row: Mapping[str, Any], *, full: bool = False) -> None:
    """Print a dataset row. `full`: the system prompt and long results too."""
    console.print(Panel(_head(row), title=f"[bold]{row['domain']}[/] · {row['episode_id']}", border_style=_colour(row)))
    for part in _conversation(row, full):
        console.print(part)
    console.print()
    for part in _judgement(row):
        console.print(part)


def _colour(row: Mapping[str, Any]) -> str:
    return "green" if row["drop_reason"] is None else "red"


def _head(row: Mapping[str, Any]) -> RenderableType:
    verdict = {True: "passed", False: "failed", None: "not scored"}[row["passed"]]
    whose = f", put down to {row['attribution']}" if row.get("attribution") else ""
    fate = "accepted" if row["drop_reason"] is None else f"rejected: {row['drop_reason']}{whose}"
    score = "" if row["score"] is None else f", score {row['score']:.2f}"
    table = Table.grid(padding=(0, 2))
    table.add_row("task", f"{row['kind']}, difficulty {row['difficulty']}, {row['language']}, persona {row['persona']}")
    table.add_row(
        "who",
        f"{row['agent_spec']} with {row['user']} user; attempt {row['attempt'] + 1} of {row['attempts']},"
        f" {row['passes']} passed",
    )
    table.add_row(
        "end",
        f"{row['status']}, {row['stop_reason'] or 'stopped'} after {row['n_turns']} turns and {row['n_calls']} calls",
    )
    table.add_row("verdict", Text(f"{verdict}{score}; {fate}", style=f"bold {_colour(row)}"))
    if row["mistakes"]:
        table.add_row("planted", Text(", ".join(row["mistakes"]), style="yellow"))
    return table


def _conversation(row: Mapping[str, Any], full: bool) -> Iterator[RenderableType]:
    calls = {call["call_id"]: call for call in row["calls"]}
    turn = 0
    for message in orjson.loads(row["messages"]):
        content = message.get("content") or ""
        turn += message["role"] == "assistant"
        if message["role"] == "system":
            text = content if full else content.partition("\n")[0] + " …"
            yield Text(f"\n{text}", style="dim")
        elif message["role"] == "user":
            for call in (c for c in row["calls"] if c["actor"] == "user" and c["turn"] == turn):
                name = Text.assemble((call["name"], "bold cyan"), "(", _arguments(call["arguments"]), ")")
                yield _done("→", name)  # with a tool of their own: no message tells of it
                yield _done("←", Text(_spaced(call["result"] or call["error"] or ""), style="dim"))
            yield _said("user", content, "cyan")
        elif message["role"] == "assistant":
            if content:
                yield _said("agent", content, "green")
            for call in message.get("tool_calls", ()):
                arguments = _arguments(call["function"]["arguments"])
                yield _done("→", Text.assemble((call["function"]["name"], "bold magenta"), "(", arguments, ")"))
        else:
            call = calls.get(message.get("tool_call_id"), {})
            style = "dim" if call.get("ok", True) else "red"
            wrote = " [wrote]" if call.get("wrote") else ""
            fault = f" [fault: {call['fault']}]" if call.get("fault") else ""
            spaced = _spaced(content)
            shown = spaced if full or len(content) <= LONG else spaced[:LONG] + f" … ({len(content):,} characters)"
            yield _done("←", Text(f"{shown}{wrote}{fault}", style=style))


def _said(who: str, content: str, colour: str) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=7, justify="right")
    table.add_column(ratio=1)
    table.add_row(Text(who, style=f"bold {colour}"), Text(content))
    return Group(Text(), table)


def _done(arrow: str, text: Text) -> RenderableType:
    """A call or its result, set back from what was said; long JSON begins beside its arrow."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=10, justify="right")
    table.add_column(ratio=1, overflow="fold")
    table.add_row(Text(arrow, style="magenta" if arrow == "→" else "dim"), text)
    return table


def _spaced(text: str) -> str:
    """JSON with spaces between its parts, where lines can break; other text as it is."""
    try:
        return json.dumps(orjson.loads(text), ensure_ascii=False)
    except orjson.JSONDecodeError:
        return text


def _arguments(text: str) -> str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if not isinstance(value, dict):
        return text
    return ", ".join(f"{name}={orjson.dumps(part).decode()}" for name, part in value.items())


def _judgement(row: Mapping[str, Any]) -> Iterator[RenderableType]:
    expected, actual = orjson.loads(row["expected_change"] or "{}"), orjson.loads(row["actual_change"] or "{}")
    table = Table(title="what changed", title_justify="left", show_lines=False, box=None, padding=(0, 2))
    for column in ("", "expected", "actual"):
        table.add_column(column)
    for part in ("inserts", "updates", "deletes"):
        left, right = (
            "\n".join(_changed(part, entry) for entry in change.get(part, ())) for change in (expected, actual)
        )
        if left or right:
            table.add_row(part, left, right)
    if table.row_count:
        yield table
    else:
        yield Text("Nothing was to change, and nothing did.", style="dim")
    criteria = Table(title="criteria", title_justify="left", box=None, padding=(0, 2))
    for column in ("", "by", "choice", "why"):
        criteria.add_column(column)
    for c in row["criteria"]:
        style = {True: "green", False: "red", None: "dim"}[c["passed"]]
        criteria.add_row(Text(c["name"], style=style), c["by"], c["choice"] or "not scored", c["reason"] or "")
    yield criteria


def _changed(part: str, entry: Mapping[str, Any]) -> str:
    place = f"{entry['table']} {'/'.join(map(str, entry['key']))}"
    if part == "updates":
        return f"{place}.{entry['column']}: {entry['before']} → {entry['after']}"
    return place
