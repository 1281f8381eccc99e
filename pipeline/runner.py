"""Where the work is done: in this process, in a few beside it, or in actors all over a Ray cluster.

A runner is given pieces of the work list and reports what becomes of them; rows never pass through it, since workers
write their shards themselves. Exactly-once comes from ids and commits alone, so a runner may die at any instant.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from pipeline.cast import KEYS, open_cast
from pipeline.errors import BadInput, Exit, Incomplete, ToolworldsError
from pipeline.recipe import Recipe
from pipeline.stages import Receipt, Report, Worker
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work

LINE = 1 << 20
DEATHS = 5  # of actors under one piece of work, after which it is not tried again in this command

Runner = Callable[[Recipe, RunFolder, Sequence[Work], Report], int]


def run_local(recipe: Recipe, folder: RunFolder, works: Sequence[Work], report: Report) -> int:
    """Do the work here, or in `workers` processes; how many episodes stay undone.

    Raises Incomplete when a worker died or could not go on: what it had finished is kept.
    """
    workers = min(recipe.config.workers, len({work.shard for work in works}))
    if workers <= 1:
        return asyncio.run(_here(recipe, folder, works, report))
    return asyncio.run(_processes(recipe, folder, workers, report))


async def _here(recipe: Recipe, folder: RunFolder, works: Sequence[Work], report: Report) -> int:
    async with open_cast(recipe) as cast:
        return await Worker(recipe, folder, report, cast).run(list(works))


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


# ---------------------------------------------------------------- Ray


def run_ray(recipe: Recipe, folder: RunFolder, works: Sequence[Work], report: Report) -> int:
    """Do the work in actors of a Ray cluster; how many episodes stay undone.

    The cluster is the one that a job runs in or RAY_ADDRESS names; without one, Ray starts on this machine. Actors
    write their shards to the run's folder themselves, so every node must see it under the same path. A piece whose
    actor or node died is given to another: what the dead one had finished is in its journal. Raises BadInput without
    Ray, Incomplete where an actor could not go on.
    """
    try:
        import ray
        from ray.exceptions import RayActorError, RayTaskError
    except ImportError:
        remedy = "Install it with `pip install 'toolworlds[ray]'`, or leave --runner out."
        raise BadInput("Ray is not installed", where="--runner ray", remedy=remedy) from None

    started = not ray.is_initialized()
    if started:
        # workers import the project from where the driver has it; in a job that is the job's own working directory
        root = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part)
        variables = {name: os.environ[name] for name in KEYS if name in os.environ}  # they reach actors no other way
        variables |= {} if in_ray_job() else {"PYTHONPATH": paths}
        environment = {"env_vars": variables}
        ray.init(runtime_env=environment, log_to_driver=False, include_dashboard=False, configure_logging=False)
    crew = ray.remote(num_cpus=1, max_restarts=0)(_Crew)
    asked = min(max(1, recipe.config.workers), len({work.shard for work in works}))
    waiting = deque(_by_shard(works))
    busy: dict[Any, tuple[Any, list[Work]]] = {}  # the answer that is awaited → the actor and its piece
    deaths: dict[int, int] = {}
    undone = 0
    idle: list[Any] = []
    try:
        path = str(folder.path.resolve())
        idle += [crew.remote(path) for _ in range(asked)]
        while waiting or busy:
            while idle and waiting:
                actor, piece = idle.pop(), waiting.popleft()
                busy[actor.work.remote([work.name for work in piece])] = actor, piece
            (answer,), _ = ray.wait(list(busy), num_returns=1)
            actor, piece = busy.pop(answer)
            try:
                receipts = ray.get(answer)
            except RayActorError as error:
                shard = piece[0].shard
                deaths[shard] = deaths.get(shard, 0) + 1
                if deaths[shard] == DEATHS:
                    text = f"{DEATHS} actors died over shard {shard}; the same command resumes.\n{error}"
                    raise Incomplete(text) from None
                waiting.append(piece)
                idle.append(crew.remote(path))
                continue
            except RayTaskError as error:
                cause = error.cause if isinstance(error.cause, Exception) else error
                raise (cause if isinstance(cause, ToolworldsError) else Incomplete(str(cause))) from None
            for fields in receipts:
                receipt = Receipt(*fields)
                undone += receipt.event == "undone"
                report(receipt)
            idle.append(actor)
        return undone
    finally:
        for actor in [*idle, *(actor for actor, _ in busy.values())]:
            ray.kill(actor)
        if started:
            ray.shutdown()


def in_ray_job() -> bool:
    """Whether this process is the driver of a submitted Ray job."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


class _Crew:
    """An actor: it attaches to the run's folder and does pieces of the work list, one call each."""

    def __init__(self, path: str) -> None:
        self._folder = RunFolder.attach(Path(path))
        self._recipe = Recipe(self._folder.config, self._folder.inputs())

    def work(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Do the pieces of these names, sealed when it returns; the receipts of all that happened."""
        receipts: list[tuple[Any, ...]] = []
        works = [work for work in map(Work.from_name, names) if work is not None]
        report: Report = lambda receipt: receipts.append(tuple(receipt))  # noqa: E731
        asyncio.run(_here(self._recipe, self._folder, works, report))
        return receipts


def _by_shard(works: Sequence[Work]) -> list[list[Work]]:
    """The pieces of each shard together: no two actors ever write to one shard."""
    shards: dict[int, list[Work]] = {}
    for work in works:
        shards.setdefault(work.shard, []).append(work)
    return list(shards.values())


RUNNERS: dict[str, Runner] = {"local": run_local, "ray": run_ray}
