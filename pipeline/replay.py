"""Published rows executed again, from the run's own inputs; checksums alone prove nothing.

Each row is replayed three times over. First as recorded: its world is populated anew, every recorded call (with its
fault) is executed, and every result, error, hash and the final change must come out the same; the conversation must
hold the same calls and results. Then, where agent and user are programs, the whole row is made anew from config and
seed and compared column by column, so a message that somebody wrote into it is found as well. What depends on the whole
run (how often the task passed, whether the row is a copy) is compared with what publishing says of the commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import BadInput, ToolworldsError
from pipeline.filters import RUN_FILTERS
from pipeline.publish import WholeRun, up_to_date
from pipeline.recipe import Recipe
from pipeline.stages import Worlds, episode_of, judge, make_task, play
from pipeline.storage.dataset import SIDES, read_rows
from pipeline.storage.schema import dataset_row, dataset_schema, to_batch
from pipeline.storage.shards import RunFolder
from pipeline.trust.attribution import attribute
from pipeline.types import DroppedTask
from pipeline.world import SqlEnvironment, World
from pipeline.world.change import change_json, state_after

SHOWN = 120
PROGRAMS = {("expert", "scripted", "program")}
GIVEN_AT_PUBLISH = ("attempts", "passes", "split", "provenance", "category", "drop_reason", "attribution")
RUN_NAMES = tuple(make.__name__ for make in RUN_FILTERS)


def replay(run: Path, episode: str | None = None) -> tuple[str, list[str]]:
    """(summary, differences) over a run's rows, or one episode's. Raises BadInput when there is nothing to replay."""
    folder = RunFolder.read(run)
    recipe = Recipe(folder.config, folder.inputs())
    if recipe.fingerprint != folder.fingerprint:
        raise BadInput(
            "the run was made by another version of the code",
            where=str(run),
            remedy=f"Replay it with: {folder.versions}",
        )
    categories = {name: compiled.domain.category for name, compiled in recipe.domains.items()}
    if not up_to_date(folder, folder.config, categories=categories):
        raise BadInput(
            "the dataset is not made from all that is committed",
            where=str(run),
            remedy="Run the same `toolworlds generate` command again: it finishes and publishes the run.",
        )
    worlds = Worlds(recipe)
    index, given = _committed(folder, categories)
    rows = calls = 0
    problems: list[str] = []
    seen: set[str] = set()
    for side, row in ((one, row) for one in SIDES for row in read_rows(folder.path, [one])):
        name = row["episode_id"]
        if episode is not None and not name.startswith(episode):
            continue
        rows += 1
        calls += len(row["calls"])
        found = ["appears twice"] if name in seen else []
        seen.add(name)
        if (side == "accepted") != (row["drop_reason"] is None):
            found.append(f"drop_reason: is {row['drop_reason']} among the {side}")
        for column, now in given.get(name, {}).items():
            if row[column] != now:
                found.append(_differs(column, row[column], now))
        try:
            found += list(_row(recipe, worlds, row, index))
        except (ToolworldsError, KeyError, ValueError, TypeError) as error:
            found.append(f"cannot be replayed: {error}")
        problems += [f"{name}: {text}" for text in found]
    if not rows:
        raise BadInput(f"no row{f' of episode {episode!r}' if episode else ''} to replay", where=str(run))
    if episode is None:
        problems += [f"{name}: is committed, but not in the dataset" for name in given if name not in seen]
    verdict = "all equal" if not problems else f"{len(problems)} differences"
    return f"replayed {rows:,} rows with {calls:,} calls: {verdict}", problems


def _committed(folder: RunFolder, categories: Mapping[str, str]) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """(task → its position, episode → the columns that publishing gives it), of everything that is committed."""
    index: dict[str, int] = {}
    given: dict[str, dict[str, Any]] = {}
    whole = WholeRun(folder, folder.config, categories)
    for shard in folder.read_committed():
        index |= {task.task_id: task.index for task in shard.tasks}
        for attempts in whole.by_task(shard):
            for _, row in attempts:
                given[row["episode_id"]] = {column: row[column] for column in GIVEN_AT_PUBLISH}
    return index, given


def _row(recipe: Recipe, worlds: Worlds, row: Mapping[str, Any], index: Mapping[str, int]) -> Iterator[str]:
    (domain,) = row["domains"]
    world = worlds.drawer(domain["name"], domain["world_seed"]).world
    if domain["version"] != world.compiled.domain.version:
        yield f"domain version: recorded {domain['version']}, is {world.compiled.domain.version}"
    yield from _calls(row, world, domain)
    yield from _conversation(row)
    if (row["agent"], row["user"], row["judge"]) in PROGRAMS:
        yield from _anew(recipe, worlds, row, index)


def _calls(row: Mapping[str, Any], world: World, domain: Mapping[str, Any]) -> Iterator[str]:
    """What executing the recorded calls gives, against what was recorded."""
    if domain["state_before"] != world.state:
        yield _differs("state_before", domain["state_before"], world.state)
    environment = SqlEnvironment(world)
    try:
        for position, call in enumerate(row["calls"]):
            where = f"call {position} ({call['name']})"
            if call["index"] != position:
                yield _differs(f"{where}.index", call["index"], position)
            arguments = _object(call["arguments"])
            if arguments is None:
                if call["ok"] or call["wrote"]:
                    yield f"{where}: is recorded as executed, but its arguments are no JSON object"
                continue
            outcome = environment.call(call["name"], arguments, actor=call["actor"], fault=call["fault"])
            for part, now in (
                ("ok", outcome.ok),
                ("result", outcome.result),
                ("error", outcome.error),
                ("fault", outcome.fault),
                ("wrote", outcome.wrote),
                ("state_hash", outcome.state_hash),
            ):
                if call[part] != now:
                    yield _differs(f"{where}.{part}", call[part], now)
        change = change_json(environment.change())
        if orjson.loads(row["actual_change"]) != change:
            yield "actual_change: is not what the calls leave behind"
        after = state_after(world.state, environment.state_hash())
        if domain["state_after"] != after:
            yield _differs("state_after", domain["state_after"], after)
    finally:
        environment.close()


def _conversation(row: Mapping[str, Any]) -> Iterator[str]:
    """Whether the messages make the recorded calls and show their results, in order."""
    recorded = [call for call in row["calls"] if call["actor"] == "agent"]
    made: list[tuple[str, str, str, int]] = []
    shown: list[tuple[str, str]] = []
    turn = 0
    for message in orjson.loads(row["messages"]):
        turn += message["role"] == "assistant"
        for call in message.get("tool_calls", ()):
            made.append((call["id"], call["function"]["name"], call["function"]["arguments"], turn))
        if message["role"] == "tool":
            shown.append((message["tool_call_id"], message["content"]))
    if made != [(c["call_id"], c["name"], c["arguments"], c["turn"]) for c in recorded]:
        yield "messages: their calls are not those recorded in calls"
    results = [
        (c["call_id"], c["result"] if c["error"] is None else orjson.dumps({"error": c["error"]}).decode())
        for c in recorded
    ]
    if shown != results:
        yield "messages: the results shown are not those recorded in calls"


def _anew(recipe: Recipe, worlds: Worlds, row: Mapping[str, Any], index: Mapping[str, int]) -> Iterator[str]:
    """The row made anew, against the row, column by column."""
    if row["task_id"] not in index:
        yield f"task_id: the run has no task {row['task_id']}"
        return
    task, world = make_task(recipe, worlds, index[row["task_id"]])
    if isinstance(task, DroppedTask) or world is None:
        yield "task_id: no task comes of this position of the work list"
        return
    trajectory = asyncio.run(play(recipe, episode_of(recipe.config, task, row["attempt"]), world))
    record = judge(recipe, task, trajectory, world)
    made = dataset_row(
        record,
        category=row["category"],
        fingerprint=recipe.fingerprint,
        split=row["split"],
        judge=recipe.config.judge,
        attempts=row["attempts"],
        passes=row["passes"],
        attribution=attribute(record),
        provenance=row["provenance"],
    )
    (again,) = to_batch([made], dataset_schema()).to_pylist()
    for column, now in again.items():
        by_the_run = row["drop_reason"] in RUN_NAMES and record.drop_reason is None
        if column in ("drop_reason", "attribution") and by_the_run:
            continue  # the row's own filters keep it; those that look at the whole run were asked by publishing
        if row[column] != now:
            yield _differs(column, row[column], now)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _differs(what: str, recorded: Any, now: Any) -> str:
    """A difference, shown from where it begins."""
    a, b = str(recorded), str(now)
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, start - 20)
    return f"{what}: recorded {_part(a, start)}, is {_part(b, start)}"


def _part(text: str, start: int) -> str:
    return ("…" if start else "") + repr(text[start : start + SHOWN])
