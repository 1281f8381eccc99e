"""The probes pass a model that works, and each finds what it is there to find."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.client import ModelError
from engine.preflight import _LONG, PROBES, SHORT, preflight
from engine.types import Completion, Message, Request, ToolCall

ADDRESS = {"street": "5 Mill Lane", "town": "Arden"}
ORDER = {"machine_id": "MC-104", "quantity": 3, "speed": "express", "address": ADDRESS}
ONE = {**ORDER, "machine_id": "MC-7", "quantity": 1, "speed": "standard"}
OSLO = ("get_weather", {"city": "Oslo"})
RIGHT: dict[str, Any] = {
    "answers": "Ready.",
    "counts_tokens": "Hello.",
    "cut_is_said": "One two three four",
    "one_call": [OSLO],
    "history_with_ids": "31, 17 and -4 degrees.",
    "json_verdict": json.dumps({"reason": "It is.", "choice": 2}),
    "obeys_system": "Welcome to the harbour",
    "keeps_unicode": "Łódź, 京都, قاهرة",
    "remembers": "B07.",
    "right_value": [OSLO],
    "chooses_among_tools": [("set_tags", {"ticket": 12, "tags": ["urgent"]})],
    "numbers_and_options": [("order_parts", ORDER)],
    "nested_object": [("order_parts", ONE)],
    "leaves_optional_out": [("order_parts", ONE)],
    "list_argument": [("set_tags", {"ticket": 9, "tags": ["red", "leaking", "urgent"]})],
    "parallel_calls": [OSLO, ("get_weather", {"city": "Lima"})],
    "unicode_argument": [("get_weather", {"city": "São Tomé"})],
    "long_argument": [("write_note", {"text": _LONG})],
    "goes_on_with_calls": [("get_weather", {"city": "Riga"})],
    "uses_results": "Lagos 31, Quito 17, Riga -4.",
    "no_call_when_none_fits": "Rain writes its name on the pane.",
    "no_call_without_tools": "I cannot look that up.",
    "obeys_tool_choice_none": "I cannot tell.",
    "asks_when_a_value_is_missing": "For which machine?",
    "admits_a_failed_call": "The service was unavailable.",
}


class Model:
    """Answers each probe as it is told, or rightly."""

    def __init__(self, **instead: Any) -> None:
        self._instead = instead

    async def complete(self, request: Request) -> Completion:
        name = request.conversation.removeprefix("preflight:")
        answer = self._instead.get(name, RIGHT[name])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        if isinstance(answer, str):
            message = Message(role="assistant", content=answer)
        else:
            calls = [
                ToolCall(id=f"c{n}", name=tool, arguments=a if isinstance(a, str) else json.dumps(a))
                for n, (tool, a) in enumerate(answer)
            ]
            message = Message(role="assistant", tool_calls=tuple(calls))
        finish = "length" if name == "cut_is_said" else "stop"
        return Completion(message=message, finish_reason=finish, prompt_tokens=40, completion_tokens=4)


async def test_a_model_that_works_passes_every_probe() -> None:
    found = await preflight(Model(), "m")
    assert [f.name for f in found] == [p.name for p in PROBES] and len(found) >= 24
    assert [f for f in found if not f.ok] == []


# What is blamed on the server.
SERVERS = ("says nothing", "counts no tokens", "not 'length'", "parser of tool calls", "timeout")
WRONG: list[tuple[str, Any, str]] = [
    ("answers", "", "says nothing"),
    ("counts_tokens", Completion(message=Message(role="assistant", content="Hi.")), "counts no tokens"),
    ("cut_is_said", Completion(message=Message(role="assistant", content="One")), "not 'length'"),
    ("one_call", '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}', "parser of tool calls"),
    ("one_call", "functions.get_weather:0{}", "parser of tool calls"),
    ("one_call", "It is sunny.", "makes no call"),
    ("one_call", [("get_weather", '{"city": ')], "no JSON object"),
    ("one_call", [("get_weather", {"town": "Oslo"})], "it calls with"),
    ("history_with_ids", [("get_weather", {"city": "Riga"})], "says nothing"),
    ("json_verdict", "It was polite.", "no JSON of the schema"),
    ("json_verdict", json.dumps({"reason": "x", "choice": 3}), "no JSON of the schema"),
    ("parallel_calls", [("get_weather", {"city": "Oslo"})], "it calls get_weather"),
    ("chooses_among_tools", [("get_weather", {"city": "12"})], "it calls get_weather"),
    ("nested_object", [("order_parts", {**ONE, "address": "5 Mill Lane, Arden"})], "it calls with"),
    ("long_argument", [("write_note", {"text": _LONG[:200]})], "it calls with"),
    ("no_call_when_none_fits", [("set_tags", {"ticket": 1, "tags": []})], "it calls set_tags"),
    ("uses_results", "It is warm.", "does not say '31'"),
    ("admits_a_failed_call", "It is 31 degrees.", "makes a temperature up"),
    ("remembers", ModelError("timeout", "no answer within 5 s"), "timeout: no answer"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
async def test_each_probe_finds_what_it_is_there_to_find(name: str, answer: Any, says: str) -> None:
    (found,) = [f for f in await preflight(Model(**{name: answer}), "m") if not f.ok]
    assert found.name == name and says in found.said
    assert found.server == any(part in says for part in SERVERS), "who is to blame"


async def test_calls_that_share_an_id_are_found() -> None:
    same = tuple(ToolCall(id="c", name="get_weather", arguments=f'{{"city": "{c}"}}') for c in ("Oslo", "Lima"))
    answer = Completion(message=Message(role="assistant", tool_calls=same), prompt_tokens=1, completion_tokens=1)
    (found,) = [f for f in await preflight(Model(parallel_calls=answer), "m") if not f.ok]
    assert "share an id" in found.said


async def test_the_short_form_asks_only_what_a_run_cannot_do_without() -> None:
    found = await preflight(Model(), "m", SHORT)
    assert {f.name for f in found} == set(SHORT) and all(f.ok for f in found)
