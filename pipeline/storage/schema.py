"""Every column that a run writes: explicit Arrow schemas, and how a judged episode becomes a dataset row.

A schema is never inferred: a shard without tool calls would become a list of nulls and break every reader. Accepted
and rejected rows share one schema. Missing scores are NULL, and no column holds a time, a host or a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from engine.types import Answered, Message, canonical_json
from pipeline.identity import derive_seed
from pipeline.types import Change, Trajectory
from pipeline.verdicts import Record

if TYPE_CHECKING:
    import pyarrow as pa

HELD_OUT_FROM = 20  # domains from which a run holds some out


@cache
def dataset_schema() -> pa.Schema:
    """The published rows, accepted and rejected alike."""
    import pyarrow as pa

    text, int32, int64, real, yes = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()
    call = [("index", int32), ("turn", int32), ("actor", text), ("call_id", text), ("name", text)]
    call += [("arguments", text), ("ok", yes), ("result", text), ("error", text), ("fault", text), ("tier", text)]
    call += [("wrote", yes), ("state_hash", text)]
    criterion = [("name", text), ("by", text), ("choice", text), ("score", real), ("passed", yes)]
    criterion += [("reason", text), ("evidence", text)]
    domain = [("name", text), ("version", text), ("world_seed", int64), ("state_before", text), ("state_after", text)]
    columns: list[tuple[str, pa.DataType]] = [
        *((name, text) for name in ("episode_id", "fingerprint", "domain", "category", "task_id", "kind")),
        ("difficulty", int32),
        *((name, text) for name in ("language", "persona", "agent_spec")),
        *((name, int32) for name in ("attempt", "attempts", "passes")),
        ("seed", int64),
        *((name, text) for name in ("split", "agent", "user", "judge", "status", "stop_reason")),
        ("passed", yes),
        ("score", real),
        *((name, text) for name in ("drop_reason", "attribution")),
        *((name, int32) for name in ("n_turns", "n_calls", "n_faults")),
        *((name, int64) for name in ("prompt_tokens", "completion_tokens")),
        *((name, text) for name in ("messages", "tools")),
        ("calls", _list(pa.struct(call))),
        ("criteria", _list(pa.struct(criterion))),
        ("trainable", _list(yes)),
        *((name, text) for name in ("expected_change", "actual_change")),
        ("domains", _list(pa.struct(domain))),
        ("mistakes", _list(text)),
        ("provenance", text),
    ]
    return pa.schema(columns)


@cache
def stage_schemas() -> dict[str, pa.Schema]:
    """The files of a committed shard: what the work list needs is typed, the value itself is its JSON."""
    import pyarrow as pa

    text, int32, int64 = pa.string(), pa.int32(), pa.int64()
    place = [("task_index", int64), ("attempt", int32), ("episode_id", text)]
    return {
        "tasks": pa.schema(
            [
                *(("task_index", int64), ("task_id", text), ("domain", text), ("kind", text), ("difficulty", int32)),
                *(("drop_reason", text), ("drop_detail", text), ("task", text)),
                *((name, int32) for name in ("mutants", "killed", "equivalent", "variants", "variants_accepted")),
                ("admission", text),
            ]
        ),
        "trajectories": pa.schema([*place, ("domain", text), ("status", text), ("trajectory", text)]),
        "verdicts": pa.schema(
            [*place, ("passed", pa.bool_()), ("score", pa.float64()), ("drop_reason", text), ("verdict", text)]
        ),
    }


@cache
def completions_schema() -> pa.Schema:
    """Every model call of a run. `conversation`: the episode's id and who was asked (agent, user, judge)."""
    import pyarrow as pa

    text, int32, int64 = pa.string(), pa.int32(), pa.int64()
    return pa.schema(
        [
            *((name, text) for name in ("episode_id", "role", "conversation", "model", "finish_reason")),
            ("number", int32),
            *((name, text) for name in ("content", "tool_calls", "reasoning", "raw", "sampling")),
            ("problems", _list(text)),
            *((name, int64) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")),
        ]
    )


def completion_row(number: int, answered: Answered) -> dict[str, Any]:
    """One model call, keyed by the columns of `completions_schema`. `number` counts those of a piece of work."""
    request, completion = answered.request, answered.completion
    episode, _, role = request.conversation.partition(":")
    return {
        "episode_id": episode,
        "role": role.partition(":")[0],
        "conversation": request.conversation,
        "model": request.model,
        "finish_reason": completion.finish_reason,
        "number": number,
        "content": completion.message.content,
        "tool_calls": canonical_json([call.model_dump() for call in completion.message.tool_calls]),
        "reasoning": completion.reasoning,
        "raw": completion.raw,
        "sampling": canonical_json(request.sampling.model_dump(exclude_none=True)),
        "problems": list(completion.problems),
        "prompt_tokens": completion.prompt_tokens,
        "cached_tokens": completion.cached_tokens,
        "completion_tokens": completion.completion_tokens,
    }


@cache
def ledger_schema() -> pa.Schema:
    """Wall-clock facts: the only place that has them. `command` counts the commands that worked on the run."""
    import pyarrow as pa

    return pa.schema(
        [
            ("command", pa.int32()),
            ("happened_at", pa.timestamp("ms", tz="UTC")),
            ("event", pa.string()),
            ("wall_seconds", pa.float64()),
            ("cpu_seconds", pa.float64()),
            ("shard", pa.int32()),
            ("count", pa.int64()),
            ("detail", pa.string()),
        ]
    )


def _list(of: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.list_(
        pa.field("element", of)
    )  # the name that Parquet gives, so that what is read equals what was written


def to_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as Arrow, column by column: `Table.from_pylist` looks at every cell of every row and is the bottleneck."""
    import pyarrow as pa

    arrays = [_array([row[field.name] for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return pa.array(values, type=kind)
    offsets, flat = [0], []
    for value in values:
        flat += value
        offsets.append(len(flat))
    fields = list(kind.value_type)
    children = [_array([item[field.name] for item in flat], field.type) for field in fields]
    structs = pa.StructArray.from_arrays(children, fields=fields)
    return pa.ListArray.from_arrays(pa.array(offsets, type=pa.int32()), structs, type=kind)


def split_of(domain: str, domains: int) -> str:
    """`train`, `validation` or `test`: whole domains are held out, 90/5/5 by the domain's name.

    Below 20 domains a held-out share would be none or, worse, everything, so all of them train; who wants a test set
    from a small run takes it by task. A domain that is held out in one large run is so in every other.
    """
    if domains < HELD_OUT_FROM:
        return "train"
    point = derive_seed("split", domain) % 100
    return "train" if point < 90 else "validation" if point < 95 else "test"


def trainable(trajectory: Trajectory, passed: bool | None) -> list[bool]:
    """Which messages a trainer takes as targets: the assistant's, of an episode that passed.

    A call that no tool could take (no such tool, arguments that do not fit its schema) is masked with its turn, while
    what follows it stays: recovering is worth learning, the slip is not. A call that a tool refused is no slip.
    """
    if passed is not True:
        return [False] * len(trajectory.messages)
    # By the schema's names and types, and by what the environment said, which also knows patterns and bounds.
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in trajectory.tools}
    invalid = {call.call_id for call in trajectory.calls if (call.error or "").startswith("Invalid arguments")}

    def malformed(message: Message) -> bool:
        return any(c.id in invalid or not _fits(c.arguments, schemas.get(c.name)) for c in message.tool_calls)

    return [message.role == "assistant" and not malformed(message) for message in trajectory.messages]


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
}  # fmt: skip


def _fits(arguments: str, schema: Mapping[str, Any] | None) -> bool:
    """Whether arguments have the shape that a schema asks for: names and types, which is what models get wrong."""
    try:
        given = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return False
    if schema is None or not isinstance(given, dict) or not set(schema.get("required", ())) <= given.keys():
        return False
    known = schema.get("properties", {})
    return all(name in known and _typed(value, known[name]) for name, value in given.items())


def _typed(value: Any, spec: Mapping[str, Any]) -> bool:
    names = spec.get("type", [])
    names = [names] if isinstance(names, str) else names
    right = not names or any(
        value is None
        if name == "null"
        else isinstance(value, _TYPES[name]) and isinstance(value, bool) == (name == "boolean")
        for name in names
    )  # True is an int in Python, and is none in JSON
    return right and ("enum" not in spec or value in spec["enum"])


def dataset_row(
    record: Record,
    *,
    category: str,
    fingerprint: str,
    split: str,
    judge: str,
    attempts: int,
    passes: int,
    attribution: str | None,
    provenance: str,
) -> dict[str, Any]:
    """One published row, keyed by the columns of `dataset_schema`.

    attempts, passes: how often this task was tried in the whole run, and how often it passed. attribution: whose fault
    it is that the row was not accepted.
    """
    task, trajectory, verdict = record.task, record.trajectory, record.verdict
    plan = verdict.state.plan if verdict.state else ""
    expected = next((e for e in task.expected if e.plan == plan), task.expected[0])
    return {
        "episode_id": trajectory.episode_id,
        "fingerprint": fingerprint,
        "domain": task.domain,
        "category": category,
        "task_id": task.task_id,
        "kind": task.kind,
        "difficulty": task.difficulty,
        "language": task.language,
        "persona": task.persona.name,
        "agent_spec": trajectory.agent_spec,
        "attempt": trajectory.attempt,
        "attempts": attempts,
        "passes": passes,
        "seed": trajectory.seed,
        "split": split,
        "agent": trajectory.agent,
        "user": trajectory.user,
        "judge": judge,
        "status": trajectory.status,
        "stop_reason": trajectory.stop_reason,
        "passed": verdict.passed,
        "score": verdict.score,
        "drop_reason": record.drop_reason,
        "attribution": attribution,
        "n_turns": trajectory.n_turns,
        "n_calls": len(trajectory.calls),
        "n_faults": trajectory.n_faults,
        "prompt_tokens": trajectory.prompt_tokens,
        "completion_tokens": trajectory.completion_tokens,
        "messages": orjson.dumps([message.wire() for message in trajectory.messages]).decode(),
        "tools": orjson.dumps(trajectory.tools).decode(),
        "calls": [call.__dict__ for call in trajectory.calls],
        "criteria": [score.__dict__ for score in verdict.scores],
        "trainable": trainable(trajectory, verdict.passed),
        "expected_change": _change(expected.change),
        "actual_change": _change(trajectory.change),
        "domains": [
            {
                "name": task.domain,
                "version": task.domain_version,
                "world_seed": task.world_seed,
                "state_before": trajectory.state_before,
                "state_after": trajectory.state_after,
            }
        ],
        "mistakes": list(trajectory.mistakes),
        "provenance": provenance,
    }


def _change(change: Change) -> str:
    return canonical_json(change.model_dump(mode="json"))
