"""task → rollout → judge → filter → journal, for one piece of the work list.

One event loop plays many episodes; what takes more than a few milliseconds (worlds, tasks, verdicts, sealing) runs in
threads beside it. Everything here follows from the recipe and a position of the work list: which worker does it, in
which order and after how many kills changes nothing. Only finished episodes are journaled; a full piece is sealed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.check.admission import admit
from pipeline.check.stand import Stand
from pipeline.config import RunConfig
from pipeline.errors import DomainDefect
from pipeline.filters import decide
from pipeline.identity import Rng, content_hash, derive_seed
from pipeline.judging.verdict import judge_by_program
from pipeline.judging.view import user_turns
from pipeline.recipe import Recipe
from pipeline.rollout import ExpertAgent, ScriptedUser, parse_agent, run_episode, system_prompt
from pipeline.rollout.mistakes import plan_slip
from pipeline.storage.journal import Journal
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work
from pipeline.tasks.draw import Drawer
from pipeline.types import Admission, DroppedTask, Episode, Record, Task, Trajectory, Verdict
from pipeline.world import FinalState, SqlEnvironment, World, populate
from pipeline.world.faults import plan_faults

EPISODES = 48  # in flight at once in one loop
THREADS = 2


class Receipt(NamedTuple):
    """What a worker reports of one step, small enough for any wire."""

    event: str  # task, dropped, episode, recovered, undone, sealed
    shard: int
    status: str = ""
    passed: bool = False
    accepted: bool = False
    reason: str = ""


Report = Callable[[Receipt], None]


class Worlds:
    """The worlds in use, populated once each; the least recently used go first."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._most = min(64, 2 * len(recipe.config.domains) + 2)
        self._drawers: OrderedDict[tuple[str, int], tuple[Drawer, Stand]] = OrderedDict()

    def drawer(self, domain: str, seed: int) -> Drawer:
        """A drawer over the world of this domain and seed. Raises DomainDefect when it cannot be populated."""
        return self._both(domain, seed)[0]

    def stand(self, task: Task) -> Stand:
        """The test stand in the world of a task."""
        return self._both(task.domain, task.world_seed)[1]

    def _both(self, domain: str, seed: int) -> tuple[Drawer, Stand]:
        key, recipe = (domain, seed), self._recipe
        if key not in self._drawers:
            drawer = Drawer(populate(recipe.domains[domain], seed, recipe.names))
            self._drawers[key] = drawer, Stand(drawer, recipe.rubrics[domain], recipe.prompt, recipe.phrases)
            while len(self._drawers) > self._most:
                self._drawers.popitem(last=False)
        self._drawers.move_to_end(key)
        return self._drawers[key]


def make_task(recipe: Recipe, worlds: Worlds, index: int) -> tuple[Task | DroppedTask, World | None]:
    """The task at a position of the work list, with its world."""
    domain, position = recipe.place(index)
    maker = recipe.makers[domain]
    try:
        drawer = worlds.drawer(domain, maker.world_seed(position))
        return maker.make(drawer, position, index), drawer.world
    except DomainDefect as defect:
        return DroppedTask(index=index, domain=domain, reason="domain_defect", detail=str(defect)), None


def admission_of(recipe: Recipe, worlds: Worlds, task: Task) -> Admission:
    """What the task's verifier makes of wrong runs and of right ones, as it was kept or found out now.

    Raises DomainDefect when a call of one of these runs failed outside a guard.
    """
    key = recipe.admission_key(task)
    if (kept := recipe.kept.get(key)) is not None:
        with suppress(ValidationError):
            return Admission.model_validate_json(kept)
    admission = admit(task, worlds.stand(task))
    recipe.kept.put(key, admission.model_dump_json().encode())
    return admission


def make_admitted(
    recipe: Recipe, worlds: Worlds, index: int
) -> tuple[Task | DroppedTask, World | None, Admission | None]:
    """As `make_task`, and how its verifier proved itself; a task whose verifier did not is dropped."""
    task, world = make_task(recipe, worlds, index)
    if isinstance(task, DroppedTask):
        return task, world, None
    try:
        admission = admission_of(recipe, worlds, task)
    except DomainDefect as defect:
        lost = DroppedTask(index=index, domain=task.domain, reason="domain_defect", detail=str(defect))
        return lost, None, None
    for reason, found in (("survivor", admission.survivors), ("rejects_valid", admission.rejected)):
        if found:
            intents = "+".join(goal.intent for goal in task.goals)
            detail = f"{intents}: {found[0]}"
            return DroppedTask(index=index, domain=task.domain, reason=reason, detail=detail), None, admission
    return task, world, admission


def episode_of(config: RunConfig, task: Task, attempt: int) -> Episode:
    """The episode of a task and attempt: its id and seed follow from them and from who acts."""
    seed = derive_seed(task.seed, "attempt", attempt)
    identity = {"task": task.task_id, "attempt": attempt, "agent": config.agent, "user": config.user}
    faults = plan_faults(task.goals, Rng(derive_seed(seed, "faults"))) if task.kind == "recover" else ()
    return Episode(
        episode_id=content_hash(identity),
        task=task,
        attempt=attempt,
        seed=seed,
        agent_spec=config.agent,
        mistake_rate=parse_agent(config.agent).mistakes,
        faults=faults,
    )


async def play(recipe: Recipe, episode: Episode, world: World) -> Trajectory:
    """One rollout by the expert and the scripted user."""
    task, config = episode.task, recipe.config
    goals = [goal.for_expert() for goal in task.goals]
    slip = plan_slip(goals, episode.mistake_rate, Rng(derive_seed(episode.seed, "slip")), episode.faults)
    agent = ExpertAgent(
        goals, world.compiled, world.today, task.language, Rng(derive_seed(episode.seed, "agent")), slip, recipe.phrases
    )
    user = ScriptedUser(task, Rng(derive_seed(episode.seed, "user")), world.today, world.compiled.domain.tools)
    environment = SqlEnvironment(world)
    try:
        return await run_episode(
            episode,
            world,
            environment,
            agent,
            user,
            limits=config.limits,
            prompt=system_prompt(world.compiled.domain, world.today, recipe.prompt),
            faults=config.faults,
        )
    finally:
        environment.close()


def judge(recipe: Recipe, task: Task, trajectory: Trajectory, world: World) -> Record:
    """The record of a trajectory: judged by program, and through the row filters."""
    compiled = world.compiled
    try:
        with FinalState(world, trajectory.change, trajectory.calls, user_turns(trajectory.messages)) as end:
            rubric = recipe.rubrics[task.domain]
            verdict = judge_by_program(task, trajectory, compiled.domain, compiled.shapes, end, rubric)
    except DomainDefect as defect:
        trajectory = trajectory.model_copy(update={"status": "domain_defect", "failure": str(defect)})
        verdict = Verdict(episode_id=trajectory.episode_id, state=None, scores=(), passed=None, score=None)
    return decide(Record(task=task, trajectory=trajectory, verdict=verdict), recipe.config)


class Worker:
    """One event loop's worth of work on a run."""

    def __init__(self, recipe: Recipe, folder: RunFolder, report: Report) -> None:
        self._recipe, self._folder, self._report = recipe, folder, report
        self._worlds = Worlds(recipe)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="beside")
        self._sealing: asyncio.Future[Any] | None = None

    async def run(self, works: list[Work]) -> int:
        """Do pieces of the work list, one after the other; how many episodes stay undone."""
        undone = 0
        try:
            for work in works:
                undone += await self._piece(work)
            if self._sealing is not None:
                await self._sealing
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)
        return undone

    async def _beside(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _piece(self, work: Work) -> int:
        done = await self._beside(self._recover, work)
        tasks: list[Task] = []
        dropped: list[DroppedTask] = []
        records: list[Record] = []
        admissions: dict[int, Admission] = {}
        undone = 0
        room = asyncio.Semaphore(EPISODES)
        with self._folder.journal(work) as journal:

            async def attempt(task: Task, world: World, number: int) -> None:
                nonlocal undone
                try:
                    record = await self._episode(journal, work, task, world, number, done)
                    if record is None:
                        undone += 1
                    else:
                        records.append(record)
                finally:
                    room.release()

            try:
                async with asyncio.TaskGroup() as group:
                    for index in work.tasks:
                        task, world, admission = await self._beside(make_admitted, self._recipe, self._worlds, index)
                        if admission is not None:
                            admissions[index] = admission
                        if isinstance(task, DroppedTask):
                            dropped.append(task)
                            self._report(Receipt("dropped", work.shard, reason=task.reason))
                            continue
                        tasks.append(task)
                        self._report(Receipt("task", work.shard))
                        for number in work.attempts:
                            await room.acquire()
                            group.create_task(attempt(task, world, number))
            except BaseExceptionGroup as several:
                raise several.exceptions[0] from None  # the first is what happened, the rest followed from it
        if undone:
            return undone
        if self._sealing is not None:
            await self._sealing
        self._sealing = asyncio.ensure_future(self._seal(work, tasks, dropped, records, admissions))
        return 0

    async def _seal(
        self,
        work: Work,
        tasks: list[Task],
        dropped: list[DroppedTask],
        records: list[Record],
        admissions: Mapping[int, Admission],
    ) -> None:
        records.sort(key=lambda record: (record.task.index, record.trajectory.attempt))
        await self._beside(self._folder.seal, work, tasks, dropped, records, admissions)
        self._report(Receipt("sealed", work.shard))

    def _recover(self, work: Work) -> Mapping[tuple[int, int], Mapping[str, Any]]:
        """What earlier commands finished of this work and did not seal, by (task, attempt)."""
        found: dict[tuple[int, int], Mapping[str, Any]] = {}
        for entry in self._folder.recover(work):
            key = entry.payload["index"], entry.payload["attempt"]
            if work.covers(*key):
                found[key] = entry.payload
        return found

    async def _episode(
        self,
        journal: Journal,
        work: Work,
        task: Task,
        world: World,
        attempt: int,
        done: Mapping[tuple[int, int], Mapping[str, Any]],
    ) -> Record | None:
        """Play, judge and journal one episode, or take it from the journal; None when it stays undone."""
        earlier = done.get((task.index, attempt))
        if earlier is not None:
            record = Record.model_validate({"task": task, **earlier["record"]})
        else:
            trajectory = await play(self._recipe, episode_of(self._recipe.config, task, attempt), world)
            if trajectory.status == "infra_failure":
                self._report(Receipt("undone", work.shard, reason=trajectory.failure or ""))
                return None
            record = await self._beside(judge, self._recipe, task, trajectory, world)
            content = record.model_dump(mode="json", exclude={"task"})
            journal.append("record", {"index": task.index, "attempt": attempt, "record": content})
        self._report(
            Receipt(
                "recovered" if earlier is not None else "episode",
                work.shard,
                record.trajectory.status,
                record.verdict.passed is True,
                record.drop_reason is None,
                record.drop_reason or "",
            )
        )
        return record
