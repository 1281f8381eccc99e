"""What passes between an agent and a model: messages, tool calls, tool schemas.

The shapes are those of the OpenAI chat format, which every server and trainer speaks. `canonical_json` lives here
because both sides need one spelling of a value: the model side for cache keys, the data side for identity.
"""

from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: it never changes after it was made, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Frozen):
    """One call as the model wrote it; `arguments` is JSON text and may be malformed."""

    id: str
    name: str
    arguments: str


class Message(Frozen):
    """One message of a conversation; `wire()` gives the OpenAI chat form."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    def wire(self) -> dict[str, Any]:
        """The message as the OpenAI chat format has it, absent parts left out."""
        out: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            out["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for c in self.tool_calls
            ]
        if self.tool_call_id is not None:
            out["tool_call_id"] = self.tool_call_id
        return out

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> Message:
        """The inverse of `wire`. Raises KeyError or ValidationError on a message of another shape."""
        calls = tuple(
            ToolCall(id=c["id"], name=c["function"]["name"], arguments=c["function"]["arguments"])
            for c in wire.get("tool_calls") or ()
        )
        return cls(
            role=wire["role"],
            content=wire.get("content"),
            tool_calls=calls,
            tool_call_id=wire.get("tool_call_id"),
        )


class ToolSchema(Frozen):
    """A tool as a model sees it: name, description and the JSON Schema of its arguments object."""

    name: str
    description: str
    parameters: dict[str, Any]

    def wire(self) -> dict[str, Any]:
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": self.parameters},
        }


class Sampling(Frozen):
    """How a model draws its tokens; what is None is left to the server."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 2048
    seed: int | None = None


class Request(Frozen):
    """One question to a model. `conversation` names the dialogue, so that a server's prefix cache is found again.

    `json_schema`: the answer is to be JSON of this schema, by guided decoding where the server offers it.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    sampling: Sampling = Sampling()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    json_schema: dict[str, Any] | None = None
    conversation: str = ""


class Completion(Frozen):
    """What an agent answered: one assistant message, and what it cost in tokens (0 where no model was asked).

    `problems`: what was malformed in it or had to be mended, in words. `raw`: the text as the model wrote it, where the
    server gives it. `cached_tokens`: those of the prompt that the server had in its prefix cache.
    """

    message: Message
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning: str | None = None
    raw: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def truncated(self) -> bool:
        """The model had more to say: nothing of this message is whole for certain."""
        return self.finish_reason == "length"


class Answered(Frozen):
    """A completion with what it answered; the messages and tools of the request may be left out."""

    request: Request
    completion: Completion


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8 kept.

    Raises TypeError for what JSON cannot hold (sets, NaN is written as null by orjson and never occurs here).
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
