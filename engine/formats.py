"""How models spell conversations and tool calls as text: Kimi K2's own format, and Hermes' (Qwen and many others).

A server that offers a chat endpoint does this by itself; we need it where one does not, to read what a model really
wrote when its server's parser fails, and to write training text. `parse(render(x)) == x` for every conversation whose
texts hold none of a format's own tokens; one that does is refused, since a reader could not tell text from structure.

Kimi K2: the id of a call is `functions.NAME:IDX`, IDX counts all calls of the dialogue from 0, and in the history the
id is the only carrier of the name. Other ids spoil the turns that follow, so they are rewritten before rendering
(`number_calls`), never after. Source: the model's published chat template and its guidance on tool calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from engine.types import Message, ToolCall, ToolSchema


class FormatError(ValueError):
    """A conversation that a format cannot spell, or text that is no conversation in it."""


class Parsed(NamedTuple):
    """One assistant message as it was read from raw text.

    `problems`: what was malformed, in words; a malformed call is not among the message's calls. `truncated`: the text
    ends within a call, so that its arguments must not be repaired.
    """

    message: Message
    reasoning: str | None
    problems: tuple[str, ...] = ()
    truncated: bool = False


class Format(Protocol):
    """One way to spell a conversation."""

    def render(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = (), *, answer: bool = False) -> str:
        """The conversation as text. `answer`: followed by what makes the model answer next."""
        ...

    def parse(self, text: str, *, calls_before: int = 0) -> Parsed:
        """One assistant turn as a model wrote it, without its header and end token."""
        ...

    def read(self, text: str) -> tuple[list[Message], list[ToolSchema]]:
        """The inverse of `render` for a whole conversation."""
        ...


_KIMI_ID = re.compile(r"functions\.(?P<name>[^:\s]+):(?P<idx>\d+)")
_THINK = re.compile(r"\A\s*<think>(.*?)(?:</think>|\Z)", re.DOTALL)


def number_calls(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with the ids that Kimi K2 knows, in calls and in the results that answer them."""
    out, renamed, count = [], dict[str, str](), 0
    for message in messages:
        if message.tool_calls:
            calls = []
            for call in message.tool_calls:
                renamed[call.id] = f"functions.{call.name}:{count}"
                calls.append(call.model_copy(update={"id": renamed[call.id]}))
                count += 1
            message = message.model_copy(update={"tool_calls": tuple(calls)})
        elif message.tool_call_id is not None:
            known = renamed.get(message.tool_call_id, message.tool_call_id)
            message = message.model_copy(update={"tool_call_id": known})
        out.append(message)
    return out


def _dump(value: Any) -> str:
    """JSON as the published templates write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _thought(text: str) -> tuple[str | None, str]:
    """The reasoning that a text begins with, if it does, and the rest."""
    found = _THINK.match(text)
    return (found[1].strip() or None, text[found.end() :]) if found else (None, text)


def _refuse_tokens(text: str, tokens: Sequence[str]) -> str:
    for token in tokens:
        if token in text:
            raise FormatError(f"a text holds {token!r}, which the format uses itself")
    return text


def _checked(call: ToolCall) -> str | None:
    """What is wrong with a call's arguments, or None."""
    try:
        value = json.loads(call.arguments)
    except json.JSONDecodeError as error:
        return f"{call.name}: the arguments are no JSON: {error}"
    return None if isinstance(value, dict) else f"{call.name}: the arguments are {type(value).__name__}, no object"


# ---------------------------------------------------------------- Kimi K2


class KimiK2:
    """Both spellings of the section tokens are read, the released one is written."""

    TOKENS = (
        "<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>",
        "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_section_begin|>",
        "<|tool_call_section_end|>", "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>",
    )  # fmt: skip
    _HEADS = {"user": "<|im_user|>user", "assistant": "<|im_assistant|>assistant"}
    _SECTION = re.compile(r"<\|tool_calls?_section_begin\|>(.*?)(?:<\|tool_calls?_section_end\|>|\Z)", re.DOTALL)
    _CALL = re.compile(
        r"<\|tool_call_begin\|>\s*(?P<id>.*?)\s*<\|tool_call_argument_begin\|>\s*(?P<arguments>.*?)\s*"
        r"(?P<end><\|tool_call_end\|>|(?=<\|tool_call_begin\|>)|\Z)",
        re.DOTALL,
    )
    _TURN = re.compile(r"<\|im_(system|user|assistant)\|>(\w+)<\|im_middle\|>(.*?)<\|im_end\|>", re.DOTALL)

    def render(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = (), *, answer: bool = False) -> str:
        parts = []
        if tools:
            listed = _refuse_tokens(_dump([tool.wire() for tool in tools]), self.TOKENS)
            parts.append(f"<|im_system|>tool_declare<|im_middle|>{listed}<|im_end|>")
        for message in number_calls(messages):
            content = _refuse_tokens(message.content or "", self.TOKENS)
            if message.role == "tool":
                content = f"## Return of {message.tool_call_id}\n{content}"
            head = self._HEADS.get(message.role, f"<|im_system|>{message.role}")
            parts.append(f"{head}<|im_middle|>{content}{self._calls(message.tool_calls)}<|im_end|>")
        return "".join(parts) + ("<|im_assistant|>assistant<|im_middle|>" if answer else "")

    def _calls(self, calls: Sequence[ToolCall]) -> str:
        written = [
            f"<|tool_call_begin|>{call.id}<|tool_call_argument_begin|>{_refuse_tokens(call.arguments, self.TOKENS)}"
            "<|tool_call_end|>"
            for call in calls
        ]
        return f"<|tool_calls_section_begin|>{''.join(written)}<|tool_calls_section_end|>" if calls else ""

    def parse(self, text: str, *, calls_before: int = 0) -> Parsed:
        reasoning, text = _thought(text.removesuffix("<|im_end|>"))
        calls: list[ToolCall] = []
        problems: list[str] = []
        truncated = False
        for section in self._SECTION.finditer(text):
            covered = 0
            for found in self._CALL.finditer(section[1]):
                covered = found.end()
                truncated |= not found["end"]
                named = _KIMI_ID.fullmatch(found["id"])
                if named is None:
                    problems.append(f"a call has the id {found['id']!r}, which names no function")
                    continue
                # the model may count wrongly; what goes into the history counts on
                number = calls_before + len(calls)
                name = named["name"]
                call = ToolCall(id=f"functions.{name}:{number}", name=name, arguments=found["arguments"])
                wrong = _checked(call) if found["end"] else f"{name}: the call ends before its arguments do"
                if wrong:
                    problems.append(wrong)
                else:
                    calls.append(call)
            if rest := section[1][covered:].strip():
                problems.append(f"there is text between calls: {rest[:80]!r}")
                truncated |= rest.startswith("<|tool_call_begin|>")
            truncated |= not section[0].endswith("section_end|>")
        content = self._SECTION.sub("", text)
        message = Message(role="assistant", content=content or None, tool_calls=tuple(calls))
        return Parsed(message, reasoning, tuple(problems), truncated)

    def read(self, text: str) -> tuple[list[Message], list[ToolSchema]]:
        messages: list[Message] = []
        tools: list[ToolSchema] = []
        end = made = 0
        for turn in self._TURN.finditer(text):
            if turn.start() != end:
                break
            _, role, content = turn.groups()
            end = turn.end()
            if role == "tool_declare":
                tools = [ToolSchema(**tool["function"]) for tool in json.loads(content)]
            elif role == "assistant":
                messages.append(self.parse(content, calls_before=made).message)
                made += len(messages[-1].tool_calls)
            elif role == "tool":
                head, _, body = content.partition("\n")
                messages.append(Message(role="tool", content=body, tool_call_id=head.removeprefix("## Return of ")))
            else:
                messages.append(Message(role="user" if role == "user" else "system", content=content))
        if end != len(text):
            raise FormatError(f"no turn begins at character {end}: {text[end : end + 60]!r}")
        return messages, tools


# ---------------------------------------------------------------- Hermes, Qwen


class Hermes:
    """ChatML with the tools in the system message and calls as JSON between tags. Ids are not written: order tells."""

    TOKENS = ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
    _BEFORE = (
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
    )
    _AFTER = (
        "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
        '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": '
        "<args-json-object>}\n</tool_call>"
    )
    _CALL = re.compile(r"\n?<tool_call>\s*(?P<call>.*?)\s*(?P<end></tool_call>|(?=\n?<tool_call>)|\Z)", re.DOTALL)
    _SPELLED = re.compile(r'\{"name": (?P<name>"(?:[^"\\]|\\.)*"), "arguments": (?P<arguments>.*)\}', re.DOTALL)
    _TURN = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>\n", re.DOTALL)
    _RESPONSE = re.compile(r"<tool_response>\n(.*?)\n</tool_response>\n?", re.DOTALL)

    def render(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = (), *, answer: bool = False) -> str:
        turns: list[tuple[str, str]] = []
        rest = list(messages)
        if tools:
            own = (rest.pop(0).content or "") if rest and rest[0].role == "system" else ""
            listed = "\n".join(json.dumps(tool.wire(), ensure_ascii=False) for tool in tools)
            _refuse_tokens(own + listed, self.TOKENS)
            turns.append(("system", (f"{own}\n\n" if own else "") + self._BEFORE + listed + self._AFTER))
        for at, message in enumerate(rest):
            content = _refuse_tokens(message.content or "", self.TOKENS)
            if message.role == "tool":
                answered = f"<tool_response>\n{content}\n</tool_response>"
                if at and rest[at - 1].role == "tool":
                    turns[-1] = ("user", f"{turns[-1][1]}\n{answered}")
                else:
                    turns.append(("user", answered))
            else:
                calls = [self._call(call) for call in message.tool_calls]
                turns.append((message.role, "\n".join(([content] if content else []) + calls)))
        spelled = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns)
        return spelled + ("<|im_start|>assistant\n" if answer else "")

    def _call(self, call: ToolCall) -> str:
        arguments = _refuse_tokens(call.arguments, self.TOKENS)
        return f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {arguments}}}\n</tool_call>'

    def parse(self, text: str, *, calls_before: int = 0) -> Parsed:
        reasoning, text = _thought(text.removesuffix("\n").removesuffix("<|im_end|>"))
        calls: list[ToolCall] = []
        problems: list[str] = []
        truncated = False
        for found in self._CALL.finditer(text):
            truncated |= not found["end"]
            number = calls_before + len(calls)
            call = self._read_call(found["call"], number)
            wrong = "a call is no JSON object with name and arguments" if call is None else _checked(call)
            if not found["end"]:
                problems.append("a call ends before its arguments do")
            elif call is None or wrong:
                problems.append(wrong or "")
            else:
                calls.append(call)
        content = self._CALL.sub("", text)
        message = Message(role="assistant", content=content or None, tool_calls=tuple(calls))
        return Parsed(message, reasoning, tuple(problems), truncated)

    def _read_call(self, text: str, number: int) -> ToolCall | None:
        spelled = self._SPELLED.fullmatch(text)
        if spelled is not None:
            name, arguments = json.loads(spelled["name"]), spelled["arguments"]
        else:
            try:
                value = json.loads(text)
                name, arguments = value["name"], _dump(value["arguments"])
            except (json.JSONDecodeError, KeyError, TypeError):
                return None
        return ToolCall(id=f"functions.{name}:{number}", name=name, arguments=arguments)

    def read(self, text: str) -> tuple[list[Message], list[ToolSchema]]:
        messages: list[Message] = []
        tools: list[ToolSchema] = []
        waiting: list[str] = []
        end = made = 0
        for turn in self._TURN.finditer(text):
            if turn.start() != end:
                break
            role, content = turn.groups()
            end = turn.end()
            if role == "system" and self._BEFORE in content and not messages:
                own, _, listed = content.partition(self._BEFORE)
                listed = listed.removesuffix(self._AFTER)
                tools = [ToolSchema(**json.loads(line)["function"]) for line in listed.splitlines()]
                if own:
                    messages.append(Message(role="system", content=own.removesuffix("\n\n")))
            elif role == "assistant":
                messages.append(self.parse(content, calls_before=made).message)
                waiting = [call.id for call in messages[-1].tool_calls]
                made += len(waiting)
            elif role == "user" and content.startswith("<tool_response>"):
                for answered in self._RESPONSE.finditer(content):
                    messages.append(Message(role="tool", content=answered[1], tool_call_id=waiting.pop(0)))
            else:
                messages.append(Message(role="user" if role == "user" else "system", content=content))
        if end != len(text):
            raise FormatError(f"no turn begins at character {end}: {text[end : end + 60]!r}")
        return messages, tools


FORMATS: dict[str, Format] = {"kimi_k2": KimiK2(), "hermes": Hermes()}
