"""A client without a model: it says what it was given to say, and raises when that is used up. For tests."""

from __future__ import annotations

from collections.abc import Iterable

from engine.types import Completion, Message, Request, ToolCall


class ScriptEnded(AssertionError):
    """More was asked than was written."""


class ScriptedClient:
    """Canned completions, in order; `requests` are what was asked. A text or a call stands for its completion."""

    def __init__(self, answers: Iterable[Completion | Exception | str | tuple[str, str]]) -> None:
        self._answers = list(answers)
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        if not self._answers:
            last = request.messages[-1].content if request.messages else ""
            raise ScriptEnded(f"the script has ended, and is asked: {last!r}")
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Completion(message=Message(role="assistant", content=answer), completion_tokens=len(answer) // 4)
        if isinstance(answer, tuple):
            name, arguments = answer
            call = ToolCall(id=f"call_{len(self.requests)}", name=name, arguments=arguments)
            return Completion(message=Message(role="assistant", tool_calls=(call,)), finish_reason="tool_calls")
        return answer
