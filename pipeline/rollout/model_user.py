"""A user who is a model: it plays one scenario and sees nothing else.

It is told who it is, what it came for, what to say only when asked, and never what only the verifier knows. Its first
message is the task's own opening, so that every attempt begins alike. What it did wrong is found afterwards, by the
same rules as for the scripted user, and makes the episode a `user_failure`: it is never held against the agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from engine.client import ModelClient
from engine.types import Completion, Message, Request, Sampling, ToolSchema
from pipeline.domain import Domain
from pipeline.errors import UserFailure
from pipeline.rollout.model_agent import answer
from pipeline.rollout.user import Hands
from pipeline.types import Goal, Task
from pipeline.wording import render
from pipeline.world.functions import weekday

PROMPT = Path(__file__).with_name("user.j2")
DONE = "[done]"
TRIES = 2  # an empty message is asked for again
DEEDS = 4  # things done in a row on the own device before something must be said


@lru_cache(maxsize=4)
def _prompt_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class ModelUser:
    """One conversation's user. `conversation` names it to the server; `completions` is what was answered, in order."""

    def __init__(
        self,
        client: ModelClient,
        model: str,
        task: Task,
        domain: Domain,
        today: str,
        *,
        sampling: Sampling,
        conversation: str,
        prompt: str | None = None,
    ) -> None:
        self._client, self._model, self._task = client, model, task
        self._sampling, self._conversation = sampling, conversation
        self._tools = tuple(
            ToolSchema(name=tool.name, description=tool.description, parameters=tool.json_schema)
            for tool in domain.tools
            if tool.actor == "user"
        )
        self._said: list[Message] = [Message(role="system", content=_scenario(task, domain, today, prompt))]
        self._said.append(Message(role="user", content="Hello, how can I help you?"))
        self._said.append(Message(role="assistant", content=self.opening()))
        self._heard = 2  # messages of the conversation taken in: system prompt and opening
        self.completions: list[Completion] = []

    def opening(self) -> str:
        """The task's own opening."""
        return self._task.goals[0].opening

    async def reply(self, messages: Sequence[Message], hands: Hands) -> str | None:
        """The user's next message, or None when they are done.

        Raises UserFailure when the model plays no user, InfraFailure when it cannot be asked.
        """
        said = [m.content for m in messages[self._heard :] if m.role == "assistant" and m.content]
        self._heard = len(messages) + 1
        self._said.append(Message(role="user", content="\n\n".join(said)))
        for _ in range(TRIES + DEEDS):
            completion = await self._ask()
            if completion.message.tool_calls:
                self._do(completion.message, hands)
                continue
            text = (completion.message.content or "").strip()
            if DONE in text.casefold():
                return None
            if text and not completion.truncated:
                self._said.append(Message(role="assistant", content=text))
                return text
        raise UserFailure("the model that plays the user says nothing that could be sent")

    async def _ask(self) -> Completion:
        request = Request(
            model=self._model,
            messages=tuple(self._said),
            tools=self._tools,
            sampling=self._sampling,
            conversation=self._conversation,
        )
        self.completions.append(await answer(self._client, request))
        return self.completions[-1]

    def _do(self, message: Message, hands: Hands) -> None:
        """Use the own device as the message says; the results are the user's to know and to tell."""
        self._said.append(message)
        for call in message.tool_calls:
            try:
                arguments: Any = orjson.loads(call.arguments or "{}")
            except orjson.JSONDecodeError:
                arguments = None
            if isinstance(arguments, dict):
                outcome = hands(call.name, arguments)
                shown = outcome.result if outcome.result is not None else outcome.error
            else:
                shown = "That is not how this is used."
            self._said.append(Message(role="tool", content=shown, tool_call_id=call.id))


def _scenario(task: Task, domain: Domain, today: str, prompt: str | None) -> str:
    """The system prompt of the model that plays this task's user."""
    return render(
        prompt if prompt is not None else _prompt_text(PROMPT),
        {
            "title": domain.title,
            "persona": task.persona.description,
            "today": today,
            "weekday": weekday(today),
            "language": task.language,
            "goals": [_goal(goal) for goal in task.goals],
            "tools": [tool.description.rstrip(".") for tool in domain.tools if tool.actor == "user"],
            "done": DONE,
        },
        loops=True,
    ).strip()


def _goal(goal: Goal) -> dict[str, Any]:
    """What the user may know of a goal: its own words, and which of them wait for a question."""
    waiting = [
        f'{name.replace("_", " ")}, "{goal.tells[name]}"'
        for name, how in goal.facts.items()
        if how == "asked" and name in goal.tells
    ]
    return {
        "opening": goal.opening,
        "asked": waiting,
        "push": goal.push,
        "reversal": goal.reversal.says if goal.reversal is not None else None,
    }
