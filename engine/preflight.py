"""Short probes that tell whether a served model can work with tools at all, before hours are spent on it.

Some probe the server (are calls parsed, is a cut answer said to be cut, are tokens counted): where one of these fails,
a run would be worthless, and it is stopped. Others probe the model (does it call what fits, with the right values):
those are shown, and the person decides.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.client import ModelClient, ModelError
from engine.types import Completion, Message, Request, Sampling, ToolCall, ToolSchema

LEAKS = ("<tool_call>", "<|tool_call", "functions.", "<|im_", "[TOOL_CALLS]", "<function=")
SHORT = ("answers", "one_call", "history_with_ids", "cut_is_said")  # what a run asks before it begins


def _tool(name: str, description: str, **parameters: dict[str, Any]) -> ToolSchema:
    optional = {key for key, spec in parameters.items() if spec.pop("optional", False)}
    required = [key for key in parameters if key not in optional]
    schema = {"type": "object", "properties": parameters, "required": required, "additionalProperties": False}
    return ToolSchema(name=name, description=description, parameters=schema)


WEATHER = _tool("get_weather", "The weather in a city now.", city={"type": "string", "description": "Name of the city"})
ORDER = _tool(
    "order_parts",
    "Order spare parts for a machine.",
    machine_id={"type": "string", "description": "Machine id, e.g. MC-104"},
    quantity={"type": "integer", "minimum": 1, "description": "How many"},
    speed={"type": "string", "enum": ["standard", "express"], "description": "How fast they are sent"},
    address={
        "type": "object",
        "description": "Where to",
        "properties": {"street": {"type": "string"}, "town": {"type": "string"}},
        "required": ["street", "town"],
    },
    notes={"type": "string", "description": "For the driver", "optional": True},
)
TAGS = _tool("set_tags", "Replace the tags of a ticket.", ticket={"type": "integer"},
             tags={"type": "array", "items": {"type": "string"}})  # fmt: skip
NOTE = _tool("write_note", "Keep a text word for word.", text={"type": "string", "description": "The whole text"})


class Finding(NamedTuple):
    """What came of one probe. `server`: it is the server that fails, and a run cannot do without it."""

    name: str
    ok: bool
    server: bool
    said: str


class Wrong(NamedTuple):
    """What is wrong with an answer, and whether the server is to blame for it rather than the model."""

    said: str
    server: bool = False


Check = Callable[[Completion], Wrong | None]


class Probe(NamedTuple):
    """One question and what its answer must show."""

    name: str
    request: Request
    check: Check


def _ask(*messages: Message | str, tools: Sequence[ToolSchema] = (), tokens: int = 400, **more: Any) -> Request:
    said = tuple(Message(role="user", content=m) if isinstance(m, str) else m for m in messages)
    return Request(model="", messages=said, tools=tuple(tools),
                   sampling=Sampling(temperature=0.0, max_tokens=tokens), **more)  # fmt: skip


def _text(completion: Completion) -> Wrong | None:
    if leaked := _leaked(completion):
        return leaked
    return None if (completion.message.content or "").strip() else Wrong("it says nothing", server=True)


def _leaked(completion: Completion) -> Wrong | None:
    """Tool syntax in the text: the server does not parse this model's calls."""
    content = completion.message.content or ""
    found = next((token for token in LEAKS if token in content), None)
    text = f"{found!r} stands in its text: the server's parser of tool calls does not fit the model"
    return Wrong(text, server=True) if found else None


def _calls(completion: Completion) -> list[tuple[str, Any]]:
    return [(call.name, _loads(call.arguments)) for call in completion.message.tool_calls]


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _made(name: str, holds: Callable[[Any], bool], count: int = 1) -> Check:
    """Exactly so many calls of a tool, whose arguments hold."""

    def check(completion: Completion) -> Wrong | None:
        calls = _calls(completion)
        if not calls:
            return _leaked(completion) or Wrong("it makes no call")
        if [n for n, _ in calls] != [name] * count:
            return Wrong(f"it calls {', '.join(n for n, _ in calls)}")
        bad = next((a for _, a in calls if not isinstance(a, dict)), None)
        if bad is not None:
            return Wrong(f"the arguments are no JSON object: {str(bad)[:60]!r}")
        if len({call.id for call in completion.message.tool_calls}) < count:
            return Wrong("its calls share an id", server=True)
        return None if all(holds(a) for _, a in calls) else Wrong(f"it calls with {json.dumps(calls[0][1])[:120]}")

    return check


def _no_call(completion: Completion) -> Wrong | None:
    made = _calls(completion)
    return Wrong(f"it calls {made[0][0]}") if made else _text(completion)


def _none_at_all(completion: Completion) -> Wrong | None:
    """No call where none was allowed: a server that lets one through ignores what it is asked."""
    made = _calls(completion)
    return Wrong(f"it calls {made[0][0]}", server=True) if made else _text(completion)


def _holds(*words: str) -> Check:
    def check(completion: Completion) -> Wrong | None:
        content = (completion.message.content or "").casefold()
        lacking = [word for word in words if word.casefold() not in content]
        return _no_call(completion) or (Wrong(f"it does not say {lacking[0]!r}") if lacking else None)

    return check


def _verdict(completion: Completion) -> Wrong | None:
    value = _loads(completion.message.content or "")
    if not isinstance(value, dict) or set(value) != {"reason", "choice"} or value["choice"] not in (0, 1, 2):
        return Wrong(f"no JSON of the schema: {(completion.message.content or '')[:60]!r}")
    return None


def _cut(completion: Completion) -> Wrong | None:
    if completion.truncated:
        return None
    return Wrong(f"it ends after 4 tokens with {completion.finish_reason!r}, not 'length'", server=True)


def _counted(completion: Completion) -> Wrong | None:
    counted = completion.prompt_tokens and completion.completion_tokens
    return None if counted else Wrong("it counts no tokens", server=True)


def _made_up(completion: Completion) -> Wrong | None:
    """A temperature although the look-up failed."""
    return Wrong("it makes a temperature up") if re.search(r"\d", completion.message.content or "") else None


def _turns(count: int) -> list[Message]:
    """A dialogue in which the weather of so many cities was looked up, one after the other, ids counted on."""
    out = [Message(role="user", content="What is the weather in Lagos, Quito and Riga? One after the other, please.")]
    for number, (city, degrees) in enumerate([("Lagos", 31), ("Quito", 17), ("Riga", -4)][:count]):
        call = ToolCall(id=f"functions.get_weather:{number}", name="get_weather", arguments=json.dumps({"city": city}))
        out.append(Message(role="assistant", tool_calls=(call,)))
        out.append(Message(role="tool", content=json.dumps({"degrees": degrees}), tool_call_id=call.id))
    return out


_LONG = " ".join(f"Line {n}: valve {n * 7 % 100} was opened by hand and closed again." for n in range(1, 25))
_ADDRESS = "Send it to 5 Mill Lane in Arden."

PROBES: tuple[Probe, ...] = (
    Probe("answers", _ask("Say that you are ready, in a few words."), _text),
    Probe("counts_tokens", _ask("Say hello."), _counted),
    Probe("cut_is_said", _ask("Count from one to a hundred in words.", tokens=4), _cut),
    Probe("one_call", _ask("How is the weather in Oslo?", tools=[WEATHER]),
          _made("get_weather", lambda a: set(a) == {"city"})),
    Probe("history_with_ids", _ask(*_turns(3), tools=[WEATHER]), _text),
    Probe("json_verdict", _ask(
        "Was this answer polite? 'Certainly, madam.' Give a reason and a choice: 0 no, 1 in part, 2 yes.",
        json_schema={"type": "object", "properties": {"reason": {"type": "string"}, "choice": {"enum": [0, 1, 2]}},
                     "required": ["reason", "choice"], "additionalProperties": False}), _verdict),
    Probe("obeys_system", _ask(Message(role="system", content="You always end with the word 'harbour'."),
                                      "Greet me."), _holds("harbour")),
    Probe("keeps_unicode", _ask("Repeat exactly, and nothing else: Łódź, 京都, قاهرة"), _holds("Łódź", "京都")),
    Probe("remembers", _ask("My berth is B07.", Message(role="assistant", content="Noted."),
                                   "Which berth is mine?"), _holds("B07")),
    Probe("right_value", _ask("How is the weather in Oslo?", tools=[WEATHER]),
          _made("get_weather", lambda a: "oslo" in str(a.get("city", "")).casefold())),
    Probe("chooses_among_tools", _ask("Tag ticket 12 as urgent.", tools=[WEATHER, ORDER, TAGS]),
          _made("set_tags", lambda a: a.get("ticket") == 12 and a.get("tags") == ["urgent"])),
    Probe("numbers_and_options", _ask(f"Order 3 parts for MC-104, express. {_ADDRESS}", tools=[ORDER]),
          _made("order_parts", lambda a: a.get("quantity") == 3 and a.get("speed") == "express")),
    Probe("nested_object", _ask(f"Order 1 part for MC-7, standard. {_ADDRESS}", tools=[ORDER]),
          _made("order_parts", lambda a: a.get("address") == {"street": "5 Mill Lane", "town": "Arden"})),
    Probe("leaves_optional_out", _ask(f"Order 1 part for MC-7, standard. {_ADDRESS}", tools=[ORDER]),
          _made("order_parts", lambda a: not a.get("notes"))),
    Probe("list_argument", _ask("Set the tags of ticket 9 to red, leaking and urgent.", tools=[TAGS]),
          _made("set_tags", lambda a: a.get("tags") == ["red", "leaking", "urgent"])),
    Probe("parallel_calls", _ask("The weather in Oslo and in Lima, please: look both up at once.", tools=[WEATHER]),
          _made("get_weather", lambda a: a.get("city") in ("Oslo", "Lima"), count=2)),
    Probe("unicode_argument", _ask("How is the weather in São Tomé?", tools=[WEATHER]),
          _made("get_weather", lambda a: a.get("city") == "São Tomé")),
    Probe("long_argument", _ask(f"Write this note word for word: {_LONG}", tools=[NOTE], tokens=1500),
          _made("write_note", lambda a: a.get("text", "").strip() == _LONG)),
    Probe("goes_on_with_calls", _ask(*_turns(2), tools=[WEATHER]),
          _made("get_weather", lambda a: "riga" in str(a.get("city", "")).casefold())),
    Probe("uses_results", _ask(*_turns(3), tools=[WEATHER]), _holds("31", "17", "4")),
    Probe("no_call_when_none_fits", _ask("Write me a line of verse about rain.", tools=[TAGS]), _no_call),
    Probe("no_call_without_tools", _ask("How is the weather in Oslo? Use a tool if you can."), _no_call),
    Probe("obeys_tool_choice_none", _ask("How is the weather in Oslo?", tools=[WEATHER], tool_choice="none"),
          _none_at_all),
    Probe("asks_when_a_value_is_missing", _ask("Order parts for my machine, please.", tools=[ORDER]), _no_call),
    Probe("admits_a_failed_call", _ask(*_turns(1)[:2], Message(
        role="tool", content='{"error": "The service is unavailable."}', tool_call_id="functions.get_weather:0"),
        "Well, how warm is it?"), _made_up),
)  # fmt: skip


async def preflight(client: ModelClient, model: str, names: Sequence[str] | None = None) -> list[Finding]:
    """What came of each probe, in order. A server that cannot be asked fails the probe with its words."""
    chosen = [probe for probe in PROBES if names is None or probe.name in names]

    async def run(probe: Probe) -> Finding:
        request = probe.request.model_copy(update={"model": model, "conversation": f"preflight:{probe.name}"})
        try:
            wrong = probe.check(await client.complete(request))
        except ModelError as error:
            wrong = Wrong(f"{error.kind}: {error}", server=True)
        if wrong is None:
            return Finding(probe.name, True, False, "as it should be")
        return Finding(probe.name, False, wrong.server, wrong.said)

    return list(await asyncio.gather(*map(run, chosen)))
