"""What was answered is answered again from disk, also after a kill; what was not is asked."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cache import CachedClient
from engine.client import ModelError
from engine.scripted import ScriptedClient, ScriptEnded
from engine.types import Message, Request, Sampling

ASK = Request(model="m", messages=(Message(role="user", content="Is B07 free?"),), conversation="e1")


async def test_the_same_request_is_answered_once_by_the_model_and_then_from_disk(tmp_path: Path) -> None:
    script = ScriptedClient(["Yes.", ("find", '{"a": 1}')])
    first = CachedClient(script, tmp_path / "c.sqlite")
    said = await first.complete(ASK)
    called = await first.complete(ASK.model_copy(update={"conversation": "e2"}))
    first.close()
    again = CachedClient(script, tmp_path / "c.sqlite")
    assert await again.complete(ASK) == said
    assert await again.complete(ASK.model_copy(update={"conversation": "e2"})) == called
    assert (again.hits, again.misses, len(script.requests)) == (2, 0, 2)


@pytest.mark.parametrize(
    "change", [{"conversation": "e9"}, {"model": "n"}, {"sampling": Sampling(seed=1)}, {"tool_choice": "required"}]
)
async def test_whatever_differs_in_a_request_is_another_question(tmp_path: Path, change: dict[str, object]) -> None:
    client = CachedClient(ScriptedClient(["one", "two"]), tmp_path / "c.sqlite")
    assert (await client.complete(ASK)).message.content == "one"
    assert (await client.complete(ASK.model_copy(update=change))).message.content == "two"


async def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    client = CachedClient(ScriptedClient([ModelError("failed", "500"), "Yes."]), tmp_path / "c.sqlite")
    with pytest.raises(ModelError):
        await client.complete(ASK)
    assert (await client.complete(ASK)).message.content == "Yes."


async def test_an_entry_that_cannot_be_read_is_asked_for_again(tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    client = CachedClient(ScriptedClient(["one"]), file)
    await client.complete(ASK)
    client.close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE completions SET completion = '{\"message\": 3}'")
    connection.close()
    assert (await CachedClient(ScriptedClient(["two"]), file).complete(ASK)).message.content == "two"


KILLED = """
import asyncio, sys
from pathlib import Path
from engine.cache import CachedClient
from engine.scripted import ScriptedClient
from engine.types import Message, Request

async def main():
    client = CachedClient(ScriptedClient([f"answer {n}" for n in range(50)]), Path(sys.argv[1]))
    for n in range(50):
        await client.complete(Request(model="m", messages=(Message(role="user", content=str(n)),)))
        print(n, flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def killed_after(file: Path, answers: int) -> None:
    """A process that fills a cache, killed once it has said that so many answers are in."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None
    with process:
        for line in process.stdout:
            if line.strip() == str(answers - 1):
                break
        os.kill(process.pid, signal.SIGKILL)


async def test_what_was_answered_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    killed_after(file, 24)
    client = CachedClient(ScriptedClient([]), file)
    for n in range(24):
        got = await client.complete(Request(model="m", messages=(Message(role="user", content=str(n)),)))
        assert got.message.content == f"answer {n}"
    with pytest.raises(ScriptEnded):
        await client.complete(Request(model="m", messages=(Message(role="user", content="never asked"),)))
