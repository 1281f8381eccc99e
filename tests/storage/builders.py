"""Small synthetic records: enough for everything that storage, filters and publish look at, without a world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.types import Message, ToolCall
from pipeline.config import RunConfig
from pipeline.identity import content_hash, derive_seed
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work
from pipeline.types import Call, Change, DroppedTask, Expected, Goal, Persona, RowInsert, Task, Trajectory
from pipeline.verdicts import Record, Score, StateVerdict, Verdict

INPUTS = {"domains/toy/domain.yaml": b"name: toy\n", "rubrics/core.yaml": b"name: core\n"}
VERSIONS = {"toolworlds": "0.1"}
PERSONA = Persona(
    name="plain", description="Writes plainly.", dates="iso", greetings=("",), asides=("",), confirms=("Yes.",),
    unknowns=("No idea.",), insists=("Please.",),
)  # fmt: skip
PLAN = {"name": "gold", "steps": []}
TOOLS = (
    {
        "type": "function",
        "function": {
            "name": "book",
            "description": "Book a thing.",
            "parameters": {
                "type": "object",
                "properties": {"thing": {"type": "string"}, "count": {"type": "integer"}},
                "required": ["thing"],
                "additionalProperties": False,
            },
        },
    },
)


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({"domains": ("toy",), "tasks": 40, "attempts": 2} | changes)


def words(*parts: str | int, n: int = 30) -> str:
    """Text that has nothing in common with the text of other parts."""
    return " ".join(content_hash([*parts, i], 4) for i in range(n))


def task(index: int, *, domain: str = "toy", intents: tuple[str, ...] = ("book_it",), kind: str = "fulfil") -> Task:
    change = Change(inserts=(RowInsert(table="bookings", key=("B-1",), row={"id": "B-1", "thing": f"t{index}"}),))
    goals = tuple(
        Goal.model_validate(
            {
                "intent": intent,
                "kind": "fulfil",
                "values": {},
                "facts": {},
                "opening": words("opening", index),
                "templates": [],
                "plans": [PLAN],
            }
        )
        for intent in intents
    )
    return Task.model_validate(
        {
            "task_id": content_hash(["task", domain, index]),
            "index": index,
            "domain": domain,
            "domain_version": "v1",
            "kind": kind,
            "difficulty": 1 + index % 5,
            "language": "en",
            "persona": PERSONA,
            "world_seed": derive_seed("world", index // 16),
            "seed": derive_seed("task", index),
            "goals": goals,
            "expected": (Expected(plan="gold", change=change),),
        }
    )


def record(
    index: int,
    attempt: int = 0,
    *,
    of: Task | None = None,
    opening: str | None = None,
    thing: str | None = None,
    status: str = "ok",
    state: bool = True,
    gate: bool | None = True,
    by: str = "code",
    passed: bool | None = None,
    said: str = "Done.",
    mistakes: tuple[str, ...] = (),
    drop_reason: str | None = None,
) -> Record:
    """A judged episode: asks, books (first with malformed arguments), reports. `passed` follows unless it is given."""
    of = of or task(index)
    thing = thing or f"thing {index}"
    wrong, right = '{"things":1}', f'{{"thing":"{thing}"}}'
    calls = (
        Call(index=0, turn=1, actor="agent", call_id="c0", name="book", arguments=wrong, ok=False, result=None,
             error="Unknown argument things.", state_hash="0"),
        Call(index=1, turn=2, actor="agent", call_id="c1", name="book", arguments=right, ok=True, result='{"id":"B-1"}',
             error=None, wrote=True, state_hash="1"),
    )  # fmt: skip
    messages = (
        Message(role="system", content="You book things. " * 20),
        Message(role="user", content=opening or words("opening", index)),
        Message(role="assistant", tool_calls=(ToolCall(id="c0", name="book", arguments=wrong),)),
        Message(role="tool", content="Unknown argument things.", tool_call_id="c0"),
        Message(role="assistant", tool_calls=(ToolCall(id="c1", name="book", arguments=right),)),
        Message(role="tool", content='{"id":"B-1"}', tool_call_id="c1"),
        Message(role="assistant", content=said),
    )
    episode_id = content_hash(["episode", of.task_id, attempt])
    trajectory = Trajectory.model_validate(
        {
            "episode_id": episode_id, "task_id": of.task_id, "attempt": attempt, "seed": derive_seed(episode_id),
            "agent": "expert", "user": "scripted", "agent_spec": "expert:mistakes=0.2", "status": status,
            "stop_reason": "user_done" if status == "ok" else None, "messages": messages, "tools": TOOLS,
            "calls": calls, "change": of.expected[0].change, "state_before": "before", "state_after": "after",
            "mistakes": mistakes, "n_turns": 3, "failure": None if status == "ok" else "evidence",
        }
    )  # fmt: skip
    judged = status == "ok"
    scores = (
        Score(name="grounded", by="code", choice="yes", score=1.0, passed=True, reason="every value was seen"),
        Score(name="confirmed", by=by, choice=None if gate is None else "no yes".split()[gate],
              score=None if gate is None else float(gate), passed=gate, reason="", gates=True),
    )  # fmt: skip
    verdict = Verdict(
        episode_id=episode_id,
        state=StateVerdict(passed=state, plan="gold") if judged else None,
        scores=scores if judged else (),
        passed=(state and gate is not False) if passed is None and judged else passed,
        score=1.0 if judged else None,
    )
    return Record(task=of, trajectory=trajectory, verdict=verdict, drop_reason=drop_reason)


def dropped(index: int) -> bool:
    return index % 13 == 7


def fill(
    folder: RunFolder,
    tasks: int,
    attempts: int,
    make: Callable[[int, int], Record] = record,
    drops: Callable[[int], bool] = dropped,
) -> list[Work]:
    """Do and seal everything that is asked and not done; returns the pieces of work."""
    todo = folder.remaining(tasks, attempts)
    for work in todo:
        seal(folder, work, make, drops)
    return todo


def seal(
    folder: RunFolder,
    work: Work,
    make: Callable[[int, int], Record] = record,
    drops: Callable[[int], bool] = dropped,
) -> None:
    rows = [make(t, a) for t in work.tasks if not drops(t) for a in work.attempts]
    lost = [DroppedTask(index=t, domain="toy", reason="no_draw", detail="none left") for t in work.tasks if drops(t)]
    drawn = {row.task.index: row.task for row in rows}
    folder.seal(work, list(drawn.values()), lost, rows)


def opened(path: Path, fingerprint: str = "f1", **changes: Any) -> RunFolder:
    return RunFolder.open(path, config(**changes), fingerprint, INPUTS, VERSIONS)


def records(folder: RunFolder) -> Iterator[Record]:
    for shard in folder.read_committed():
        yield from shard.records()
