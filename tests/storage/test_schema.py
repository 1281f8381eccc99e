"""The dataset has exactly the promised columns, and a row says what the record said."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from engine.types import Message
from pipeline.storage.schema import dataset_row, dataset_schema, split_of, stage_schemas, to_batch
from pipeline.verdicts import Record
from tests.storage.builders import record

INT32 = "difficulty attempt attempts passes n_turns n_calls n_faults".split()
NAMES = """
episode_id fingerprint domain category task_id kind difficulty language persona agent_spec attempt attempts passes seed
split agent user judge status stop_reason passed score drop_reason attribution n_turns n_calls n_faults
prompt_tokens completion_tokens messages tools calls criteria trainable expected_change actual_change domains mistakes
provenance
""".split()


def row_of(made: Record) -> dict:
    row = dataset_row(
        made,
        category="c",
        fingerprint="f",
        split="train",
        judge="program",
        attempts=2,
        passes=1,
        attribution=None,
        provenance="{}",
    )
    batch = to_batch([row], dataset_schema())
    batch.validate(full=True)
    return batch.to_pylist()[0]


def test_the_columns_are_those_of_the_design_in_their_order() -> None:
    schema = dataset_schema()
    assert schema.names == NAMES
    assert [field.name for field in schema if field.type == pa.int32()] == INT32
    assert [f.name for f in schema if f.type == pa.int64()] == ["seed", "prompt_tokens", "completion_tokens"]
    assert [field.name for field in schema.field("calls").type.value_type] == (
        "index turn actor call_id name arguments ok result error fault tier wrote state_hash".split()
    )
    assert [field.name for field in schema.field("criteria").type.value_type] == (
        "name by choice score passed reason evidence".split()
    )
    assert [field.name for field in schema.field("domains").type.value_type] == (
        "name version world_seed state_before state_after".split()
    )


def test_a_row_says_what_the_record_said() -> None:
    made = record(3, 1, mistakes=("wrong_argument",))
    row = row_of(made)
    assert tuple(Message.from_wire(m) for m in json.loads(row["messages"])) == made.trajectory.messages
    assert json.loads(row["tools"]) == list(made.trajectory.tools)
    assert row["calls"] == TypeAdapter(list).dump_python([call.model_dump() for call in made.trajectory.calls])
    assert row["mistakes"] == ["wrong_argument"]
    assert (row["seed"], row["attempt"], row["attempts"], row["passes"]) == (made.trajectory.seed, 1, 2, 1)
    assert json.loads(row["expected_change"])["inserts"][0]["row"] == {"id": "B-1", "thing": "t3"}
    assert row["domains"][0]["world_seed"] == made.task.world_seed


def test_what_was_not_scored_is_null() -> None:
    row = row_of(record(0, by="model", gate=None, status="judge_failure"))
    assert (row["passed"], row["score"], row["criteria"]) == (None, None, [])
    row = row_of(record(0, by="model", gate=None))
    assert [(c["choice"], c["score"], c["passed"]) for c in row["criteria"]] == [("yes", 1.0, True), (None, None, None)]


def test_only_sound_assistant_turns_of_a_pass_are_targets() -> None:
    assert row_of(record(0))["trainable"] == [False, False, False, False, True, False, True]
    assert row_of(record(0, state=False))["trainable"] == [False] * 7
    assert row_of(record(0, status="user_failure"))["trainable"] == [False] * 7


@pytest.mark.parametrize(
    ("arguments", "sound"),
    [
        ('{"thing":"x"}', True),
        ('{"thing":"x","count":2}', True),
        ('{"thing":"x","count":true}', False),
        ('{"thing":"x","count":"2"}', False),
        ('{"thing":1}', False),
        ('{"count":2}', False),
        ('{"thing":"x","more":1}', False),
        ('{"thing":', False),
        ("[]", False),
    ],
)
def test_a_turn_whose_call_no_tool_could_take_is_no_target(arguments: str, sound: bool) -> None:
    made = record(0)
    messages = list(made.trajectory.messages)
    messages[4] = messages[4].model_copy(
        update={"tool_calls": (messages[4].tool_calls[0].model_copy(update={"arguments": arguments}),)}
    )
    changed = made.trajectory.model_copy(update={"messages": tuple(messages)})
    assert row_of(made.model_copy(update={"trajectory": changed}))["trainable"][4] is sound


def test_what_the_environment_called_invalid_is_no_target_and_what_a_tool_refused_is_one() -> None:
    made = record(0)
    for error, sound in (("Invalid arguments: 'x' does not match '^T-'.", False), ("There is no thing x.", True)):
        call = made.trajectory.calls[1].model_copy(update={"ok": False, "result": None, "error": error})
        changed = made.trajectory.model_copy(update={"calls": (made.trajectory.calls[0], call)})
        assert row_of(made.model_copy(update={"trajectory": changed}))["trainable"][4] is sound


def test_no_rows_make_a_batch_of_the_same_schema() -> None:
    for schema in (dataset_schema(), *stage_schemas().values()):
        assert to_batch([], schema).schema == schema


def test_domains_are_held_out_only_where_there_are_many_and_always_the_same() -> None:
    names = [f"domain_{n}" for n in range(400)]
    assert {split_of(name, 1) for name in names} == {"train"}
    splits = [split_of(name, 400) for name in names]
    assert splits == [split_of(name, 20) for name in names]
    assert 0.85 < splits.count("train") / 400 < 0.95
    assert splits.count("validation") > 5
    assert splits.count("test") > 5
