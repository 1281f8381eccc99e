"""A booking desk of a few tools, and short ways to write an episode at it: for the tests of criteria and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.types import Message, ToolCall, canonical_json
from pipeline.domain import Domain
from pipeline.judging.view import View
from pipeline.types import Call, Cell, Change, Expected, Goal, Persona, Plan, PlanStep, Task, Trajectory

POLICY = (
    "You work at the desk. A crane costs $12.00 a metre. A message is sent for every booking, with the word Booking."
)


def _tool(name: str, description: str, parameters: dict[str, Any], writes: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "parameters": parameters,
        "effects": ("UPDATE t SET x = 1",) if writes else (),
        "returns": "SELECT 1",
        **more,
    }


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
DOMAIN = Domain.model_validate(
    {
        "name": "desk",
        "category": "test",
        "title": "Desk",
        "summary": "A desk.",
        "version": "v",
        "schema_sql": "",
        "policy": POLICY,
        "population": {"clock": {"days": ("2026-06-01", "2026-06-01")}, "tables": {}},
        "intents": (),
        "compare": {"mails.words_of_ours": "text"},
        "rules": {
            "R1": {"by": "tool", "text": "No stay is cancelled after it began."},
            "R2": {"by": "agent", "text": "The crane is booked only once.", "violated": "crane twice"},
        },
        "tools": (
            _tool("find_owner", "Find an owner by e-mail.", {"email": TEXT}),
            _tool(
                "search",
                "Search for free rooms in a city.",
                {
                    "city": TEXT,
                    "check_in": TEXT,
                    "check_out": TEXT,
                    "guests": WHOLE,
                    "max_price_cents": WHOLE,
                    "sort": {"type": "string", "enum": ["price", "stars"]},
                    "breakfast": {"type": "boolean"},
                },
            ),
            _tool("book_room", "Book a room.", {"room_id": TEXT, "nights": WHOLE, "at": TEXT}, True, confirm=True),
            _tool("cancel_booking", "Cancel a booking.", {"booking_id": TEXT}, True, confirm=True),
            _tool(
                "send_mail", "Send a mail.", {"to": TEXT, "subject": TEXT, "body": TEXT, "words_of_ours": TEXT}, True
            ),
            _tool(
                "call_taxi",
                "Order a taxi.",
                {"time": TEXT, "passengers": {"type": "array", "items": {"type": "object"}}},
                True,
            ),
        ),
    }
)

PERSONA = Persona(
    name="p",
    description="d",
    dates="iso",
    greetings=("",),
    asides=("",),
    confirms=("Yes.",),
    unknowns=("?",),
    insists=("Please.",),
)


class Step:
    """A part of an episode."""

    def __init__(self, role: str, text: str = "", *calls: dict[str, Any]) -> None:
        self.role, self.text, self.calls = role, text, calls


def user(text: str) -> Step:
    return Step("user", text)


def agent(text: str, *calls: dict[str, Any]) -> Step:
    return Step("assistant", text, *calls)


def call(name: str, result: Any = None, error: str | None = None, raw: str | None = None, fault: str | None = None,
         wrote: bool | None = None, **arguments: Any) -> dict[str, Any]:  # fmt: skip
    """A call and what came of it; it wrote if the tool writes and it was not refused, unless said otherwise."""
    writes = any(t.name == name and t.effects for t in DOMAIN.tools)
    return {
        "name": name,
        "arguments": raw if raw is not None else canonical_json(arguments),
        "ok": error is None,
        "result": None if error else canonical_json({} if result is None else result),
        "error": error,
        "fault": fault,
        "wrote": writes and error is None if wrote is None else wrote,
    }


def episode(*steps: Step, system: str = "Today is Monday, 1 June 2026.", **more: Any) -> Trajectory:
    messages, calls, turn = [Message(role="system", content=system)], [], 0
    for step in steps:
        if step.role == "user":
            messages.append(Message(role="user", content=step.text))
            continue
        turn += 1
        ids = [f"c{len(calls) + i}" for i in range(len(step.calls))]
        wire = tuple(
            ToolCall(id=i, name=c["name"], arguments=c["arguments"]) for i, c in zip(ids, step.calls, strict=True)
        )
        messages.append(Message(role="assistant", content=step.text, tool_calls=wire))
        for id, c in zip(ids, step.calls, strict=True):
            calls.append(Call(index=len(calls), turn=turn, actor="agent", call_id=id, **c))
            messages.append(Message(role="tool", tool_call_id=id, content=c["result"] or c["error"]))
    fields = {
        "episode_id": "e",
        "task_id": "t",
        "attempt": 0,
        "seed": 0,
        "agent": "expert",
        "user": "scripted",
        "agent_spec": "expert",
        "status": "ok",
        "stop_reason": "user_done",
        "messages": tuple(messages),
        "tools": (),
        "calls": tuple(calls),
        "change": Change(),
        "state_before": "",
        "state_after": "",
    }
    return Trajectory(**fields | more)


def task(*expected: Expected, kind: str = "fulfil", steps: int = 2, goals: int = 1, **goal: Any) -> Task:
    plan = Plan(
        name="gold",
        steps=tuple(
            PlanStep(key=f"s{i}", tool="find_owner", arguments={}, writes=False, confirm=False) for i in range(steps)
        ),
    )
    one = Goal(
        intent="stay",
        kind=kind,
        values=goal.pop("values", {}),
        facts={},
        opening="Hi",
        templates=(),
        plans=(plan,),
        **goal,
    )
    return Task(
        task_id="t",
        index=0,
        domain="desk",
        domain_version="v",
        kind=kind,
        difficulty=1,
        language="en",
        persona=PERSONA,
        world_seed=0,
        seed=0,
        goals=(one,) * goals,
        expected=expected or (Expected(plan="gold", change=Change()),),
    )


class Reader:
    """A final state: what SQL holds there (nothing, unless said)."""

    def __init__(self, **holds: bool) -> None:
        self.holds, self.asked = {k.replace("_", " "): v for k, v in holds.items()}, []

    def check(self, sql: str, bindings: Mapping[str, Cell]) -> bool:
        self.asked.append((sql, dict(bindings)))
        return self.holds.get(sql, False)

    def broken_invariants(self) -> list[str]:
        return []


def view(*steps: Step, of: Task | None = None, reader: Reader | None = None, **more: Any) -> View:
    return View(of or task(), episode(*steps, **more), DOMAIN, reader or Reader())
