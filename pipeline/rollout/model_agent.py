"""An agent that is a model: it is asked for one message after another, and what it answers is what it did.

It sees what a served model sees: the system prompt, the conversation, the agent's tools. Ids of calls are rewritten to
`functions.NAME:IDX` over the whole dialogue, which every server takes and Kimi K2 needs. Arguments that are nearly JSON
are mended where that has one reading; anything else goes to the tool as it is, and the tool says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.client import ModelClient, ModelError
from engine.formats import number_calls
from engine.repair import repair_object
from engine.types import Completion, Message, Request, Sampling, ToolCall, ToolSchema
from pipeline.errors import InfraFailure
from pipeline.types import Mistake


class ModelAgent:
    """One conversation's agent. `conversation` names it to the server; `completions` is what was answered, in order."""

    mistakes: tuple[Mistake, ...] = ()  # none on purpose

    def __init__(
        self,
        client: ModelClient,
        model: str,
        tools: Sequence[ToolSchema],
        *,
        sampling: Sampling,
        conversation: str,
    ) -> None:
        self._client, self._model, self._tools = client, model, tuple(tools)
        self._sampling, self._conversation = sampling, conversation
        self.completions: list[Completion] = []

    async def act(self, messages: Sequence[Message]) -> Completion:
        """The model's next message. Raises InfraFailure when no answer is to be had."""
        request = Request(
            model=self._model,
            messages=tuple(number_calls(messages)),
            tools=self._tools,
            sampling=self._sampling,
            conversation=self._conversation,
        )
        completion = await answer(self._client, request)
        made = sum(len(message.tool_calls) for message in messages)
        completion = _tidy(completion, made)
        self.completions.append(completion)
        return completion


async def answer(client: ModelClient, request: Request) -> Completion:
    """A client's answer; its failures become ours: nobody in the conversation is to blame for them."""
    try:
        return await client.complete(request)
    except ModelError as error:
        raise InfraFailure(f"{request.model}: {error.kind}: {error}") from error


def _tidy(completion: Completion, made: int) -> Completion:
    """The completion with the ids that the dialogue goes on with, and with arguments mended where they can be."""
    calls, problems = [], list(completion.problems)
    for number, call in enumerate(completion.message.tool_calls, start=made):
        arguments = call.arguments or "{}"
        if (mended := repair_object(arguments)) is not None and not completion.truncated:
            arguments = mended[0]
            problems.append(f"{call.name}: mended: {mended[1]}")
        calls.append(ToolCall(id=f"functions.{call.name}:{number}", name=call.name, arguments=arguments))
    message = completion.message.model_copy(update={"tool_calls": tuple(calls)})
    return completion.model_copy(update={"message": message, "problems": tuple(problems)})
