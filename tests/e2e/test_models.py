"""Runs with a served model: its rows, what a bad server does to them, and what a kill costs.

The server has a real socket and no model behind it: it declines everything, which is right for what no tool can do.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from engine.client import ModelClient, OpenAIClient, Patience
from engine.types import Completion, Request
from pipeline.cast import ModelCast
from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Receipt, Worker
from pipeline.storage.shards import RunFolder
from pipeline.verdicts import Record
from tests.e2e.commands import TOY, generate, rows, succeed
from tests.engine.fake_server import FakeServer, Trouble, Wire, say

QUICK = Patience(connect=5.0, answer=2.0, tries=8, first_wait=0.001, longest_wait=0.05)
NO = "I'm sorry, I can't do that for you here."


def decline(body: Wire) -> Wire:
    """A no to every request; to a judge, the best choice by every criterion."""
    if "response_format" not in body:
        return say(NO)
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    best = {
        n: {"reason": "r", "evidence": "e", "choice": p["properties"]["choice"]["enum"][-1]}
        for n, p in properties.items()
    }
    return say(orjson.dumps(best).decode())


def recipe_of(agent: str, **more: Any) -> Recipe:
    config = RunConfig(domains=(str(TOY),), tasks=more.pop("tasks", 32), attempts=2, agent=agent, **more)
    return Recipe(*gather_inputs(config))


async def work(recipe: Recipe, path: Path, clients: dict[str, ModelClient]) -> list[Receipt]:
    """A worker's whole run into a folder; its receipts."""
    receipts: list[Receipt] = []
    with RunFolder.open(path, recipe.config, recipe.fingerprint, recipe.inputs) as folder:
        works = folder.remaining(recipe.config.tasks, recipe.config.attempts)
        await Worker(recipe, folder, receipts.append, ModelCast(recipe, clients)).run(works)
    return receipts


def records(recipe: Recipe, path: Path) -> list[Record]:
    with RunFolder.open(path, recipe.config, recipe.fingerprint, recipe.inputs) as folder:
        return [record for shard in folder.read_committed() for record in shard.records()]


IRRELEVANT = {"irrelevant": 1}


async def test_a_models_rows_say_who_acted_and_every_call_of_it_is_kept(tmp_path: Path) -> None:
    server = FakeServer(answer=decline)
    async with server.serving(), OpenAIClient(server.base_url, patience=QUICK) as client:
        recipe = recipe_of(f"openai:fake@{server.base_url}", kinds=IRRELEVANT)
        await work(recipe, tmp_path / "run", {server.base_url: client})
    done = records(recipe, tmp_path / "run")
    assert len(done) == 64 and all(record.drop_reason is None and record.verdict.passed for record in done)
    assert {r.trajectory.agent_spec for r in done} == {"openai:fake"} and {r.trajectory.user for r in done} == {
        "scripted"
    }
    (file,) = (tmp_path / "run" / "completions").glob("*.parquet")
    kept = pq.read_table(file).to_pylist()
    assert len(kept) == len(server.bodies)
    assert Counter(row["episode_id"] for row in kept) == Counter(
        {r.trajectory.episode_id: r.trajectory.n_turns for r in done}
    )
    assert {(row["role"], row["model"], row["content"], row["cached_tokens"]) for row in kept} == {
        ("agent", "fake", NO, 60)
    }
    assert sum(r.trajectory.prompt_tokens for r in done) == 100 * len(kept)
    assert not list((tmp_path / "run" / "_journal").iterdir())


async def test_each_conversation_keeps_one_name_and_only_adds_to_itself(tmp_path: Path) -> None:
    server = FakeServer(answer=decline)
    async with server.serving(), OpenAIClient(server.base_url, patience=QUICK) as client:
        recipe = recipe_of(f"openai:fake@{server.base_url}", kinds=IRRELEVANT, tasks=8)
        await work(recipe, tmp_path / "run", {server.base_url: client})
    talks: dict[str, list[Any]] = {}
    for name, body in zip(server.sessions, server.bodies, strict=True):
        talks.setdefault(name, []).append(body["messages"])
    assert len(talks) == 16
    for asked in talks.values():
        for before, after in pairwise(asked):
            assert after[: len(before)] == before


def storm(n: int) -> Trouble | None:
    """Of forty requests four meet a 500, and two each hang, are disconnected, are cut off, come back malformed."""
    places: dict[Trouble, tuple[int, ...]] = {
        "500": (3, 14, 22, 38), "hang": (9, 28), "disconnect": (11, 25), "cut_body": (17, 36), "no_json": (20,),
        "malformed": (31,),
    }  # fmt: skip
    return next((trouble for trouble, at in places.items() if n % 40 in at), None)


async def test_a_storm_of_a_server_makes_no_wrong_score_and_loses_no_episode(tmp_path: Path) -> None:
    calm, rough = FakeServer(answer=decline), FakeServer(answer=decline, trouble=storm)
    found = []
    for name, server in (("calm", calm), ("rough", rough)):
        async with server.serving(), OpenAIClient(server.base_url, patience=QUICK) as client:
            recipe = recipe_of(f"openai:fake@{server.base_url}", kinds=IRRELEVANT)
            await work(recipe, tmp_path / name, {server.base_url: client})
            found.append([record.model_dump() for record in records(recipe, tmp_path / name)])
    assert len(rough.bodies) > len(calm.bodies), "the storm never struck"
    assert found[0] == found[1]


async def test_a_server_that_stays_away_leaves_episodes_undone_and_the_rest_is_made_by_the_same_command(
    tmp_path: Path,
) -> None:
    server = FakeServer(answer=decline, trouble=lambda n: "500" if n >= 40 else None)
    impatient = QUICK.model_copy(update={"tries": 2})
    async with server.serving(), OpenAIClient(server.base_url, patience=impatient) as client:
        recipe = recipe_of(f"openai:fake@{server.base_url}", kinds=IRRELEVANT)
        receipts = await work(recipe, tmp_path / "run", {server.base_url: client})
        undone = [r for r in receipts if r.event == "undone"]
        assert undone and all("500" in r.reason for r in undone)
        finished = sum(r.event == "episode" for r in receipts)
        assert finished + len(undone) == 64 and not records(recipe, tmp_path / "run")
        server.trouble = lambda n: None
        before = len(server.bodies)
        receipts = await work(recipe, tmp_path / "run", {server.base_url: client})
    assert sum(r.event == "recovered" for r in receipts) == finished
    done = records(recipe, tmp_path / "run")
    assert len(done) == len({r.trajectory.episode_id for r in done}) == 64
    repeated = len(server.bodies) - before - sum(r.trajectory.n_turns for r in done)
    assert repeated <= 0, "what was answered before is not asked again"


class Cut(Exception):
    """The end of a process, as far as one can be had within a test."""


class Counting:
    """A client that is stopped after so many answers, as by a kill."""

    def __init__(self, client: ModelClient, most: int) -> None:
        self._client, self.left, self.answered = client, most, 0

    async def complete(self, request: Request) -> Completion:
        if self.left == 0:
            raise Cut
        self.left -= 1
        completion = await self._client.complete(request)
        self.answered += 1
        return completion


async def test_a_cut_in_the_middle_repeats_at_most_one_call_a_conversation(tmp_path: Path) -> None:
    server = FakeServer(answer=decline, latency=lambda n: 0.002)
    async with server.serving(), OpenAIClient(server.base_url, patience=QUICK) as client:
        recipe = recipe_of(f"openai:fake@{server.base_url}", kinds=IRRELEVANT, tasks=16)
        whole = await work(recipe, tmp_path / "whole", {server.base_url: client})
        needed = len(server.bodies)
        assert sum(r.event == "episode" for r in whole) == 32
        with pytest.raises(Cut):
            await work(recipe, tmp_path / "cut", {server.base_url: Counting(client, needed // 2)})
        await work(recipe, tmp_path / "cut", {server.base_url: client})
    assert len(server.bodies) - 2 * needed <= 32, "more than one call a conversation was repeated"
    assert [r.model_dump() for r in records(recipe, tmp_path / "cut")] == [
        r.model_dump() for r in records(recipe, tmp_path / "whole")
    ]


async def test_a_model_as_judge_fills_in_what_no_program_can_answer(tmp_path: Path) -> None:
    server = FakeServer(answer=decline)
    async with server.serving(), OpenAIClient(server.base_url, patience=QUICK) as client:
        recipe = recipe_of("expert", judge=f"openai:critic@{server.base_url}", tasks=12)
        await work(recipe, tmp_path / "run", {server.base_url: client})
    done = records(recipe, tmp_path / "run")
    by_model = [score for record in done for score in record.verdict.scores if score.by == "model"]
    assert by_model and all(score.passed and score.score == 1 and score.reason == "r" for score in by_model)
    assert all(record.verdict.passed == (record.drop_reason is None) for record in done)


async def test_a_judge_that_talks_nonsense_scores_nothing(tmp_path: Path) -> None:
    server = FakeServer(answer=lambda body: say("It was fine, I think."))
    async with server.serving(), OpenAIClient(server.base_url, patience=QUICK) as client:
        recipe = recipe_of("expert", judge=f"openai:critic@{server.base_url}", tasks=6)
        await work(recipe, tmp_path / "run", {server.base_url: client})
    for record in records(recipe, tmp_path / "run"):
        assert record.trajectory.status == "judge_failure" and record.verdict.passed is None
        assert record.drop_reason is not None
        assert all(score.score is None for score in record.verdict.scores if score.by == "model")


@contextmanager
def in_a_thread(server: FakeServer) -> Iterator[str]:
    """The server beside a command that runs in another process; its address."""
    ready, over = threading.Event(), threading.Event()

    async def main() -> None:
        async with server.serving():
            ready.set()
            while not over.is_set():  # noqa: ASYNC110 - the event is of another thread
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert ready.wait(30)
        yield server.base_url
    finally:
        over.set()
        thread.join()


def test_the_command_makes_a_dataset_with_a_model_and_a_scripted_user(tmp_path: Path) -> None:
    with in_a_thread(FakeServer(answer=decline)) as url:
        run = tmp_path / "run"
        succeed(*generate(run, 16, 1, "--model", f"openai:fake@{url}"))
        found = rows(run, "accepted") + rows(run, "rejected")
    assert len(found) == 16 and {row["agent"] for row in found} == {"fake"}
    assert {row["kind"] for row in rows(run, "accepted")} <= {"irrelevant", "refuse"}
