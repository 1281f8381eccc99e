"""Where the work is done: in this process, or in a few beside it.

A runner is given pieces of the work list and reports what becomes of them; rows never pass through it, since workers
write their shards themselves. Exactly-once comes from ids and commits alone, so a runner may die at any instant.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

import orjson

from pipeline.errors import Exit, Incomplete
from pipeline.recipe import Recipe
from pipeline.stages import Receipt, Report, Worker
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work

LINE = 1 << 20


def run_local(recipe: Recipe, folder: RunFolder, works: Sequence[Work], report: Report) -> int:
    """Do the work here, or in `workers` processes; how many episodes stay undone.

    Raises Incomplete when a worker died or could not go on: what it had finished is kept.
    """
    workers = min(recipe.config.workers, len({work.shard for work in works}))
    if workers <= 1:
        return asyncio.run(Worker(recipe, folder, report).run(list(works)))
    return asyncio.run(_processes(recipe, folder, workers, report))


async def _processes(recipe: Recipe, folder: RunFolder, workers: int, report: Report) -> int:
    config, processes = recipe.config, []
    undone = 0
    try:
        for index in range(workers):
            processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "pipeline.worker",
                    str(folder.path),
                    str(index),
                    str(workers),
                    str(config.tasks),
                    str(config.attempts),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    limit=LINE,
                    pass_fds=folder.lock_descriptors(),
                )
            )

        async def listen(process: asyncio.subprocess.Process) -> int:
            lost = 0
            assert process.stdout is not None
            async for line in process.stdout:
                receipt = Receipt(*orjson.loads(line))
                lost += receipt.event == "undone"
                report(receipt)
            return lost

        async def listen_and_wait(process: asyncio.subprocess.Process) -> int:
            assert process.stderr is not None
            lost, errors = await asyncio.gather(listen(process), process.stderr.read())
            code = await process.wait()
            if code not in (Exit.COMPLETE, Exit.INCOMPLETE) or (code == Exit.INCOMPLETE and not lost):
                text = errors.decode(errors="replace").strip()
                raise Incomplete(text or f"a worker process ended with {code}; the same command resumes")
            return lost

        async with asyncio.TaskGroup() as group:
            listening = [group.create_task(listen_and_wait(process)) for process in processes]
        undone = sum(task.result() for task in listening)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
        for process in processes:  # to their ends: pipes that outlive the loop complain when they are collected
            assert process.stdin is not None
            process.stdin.close()
            await process.communicate()
    return undone
