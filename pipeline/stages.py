"""task → rollout → judge → filter → journal, for one piece of the work list.

One event loop plays many episodes; what takes more than a few milliseconds (worlds, tasks, verdicts, sealing) runs in
threads beside it. Everything here follows from the recipe and a position of the work list: which worker does it, in
which order and after how many kills changes nothing. Only finished episodes are journaled; a full piece is sealed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from engine.types import Answered
from pipeline.check.admission import admit
from pipeline.check.stand import Stand
from pipeline.config import RunConfig
from pipeline.domain import Domain
from pipeline.errors import DomainDefect, InfraFailure, JudgeFailure
from pipeline.filters import decide
from pipeline.identity import Rng, content_hash, derive_seed
from pipeline.judging.judge import ModelJudge
from pipeline.judging.rubric import goal_criteria
from pipeline.judging.verdict import at_bar, judge_by_program, mean_score
from pipeline.judging.view import user_turns
from pipeline.players import parse_player, without_address
from pipeline.recipe import Recipe
from pipeline.rollout import Agent, ExpertAgent, ScriptedUser, User, run_episode, system_prompt
from pipeline.rollout.mistakes import plan_slip
from pipeline.storage.journal import Journal
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work
from pipeline.tasks.draw import Drawer
from pipeline.trust.users import user_errors
from pipeline.types import DroppedTask, Episode, Task, Trajectory
from pipeline.verdicts import Admission, Record, Verdict
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
    agent, user = without_address(config.agent), without_address(config.user)
    identity = {"task": task.task_id, "attempt": attempt, "agent": agent, "user": user}
    faults = plan_faults(task.goals, Rng(derive_seed(seed, "faults"))) if task.kind == "recover" else ()
    return Episode(
        episode_id=content_hash(identity),
        task=task,
        attempt=attempt,
        seed=seed,
        agent_spec=agent,
        mistake_rate=parse_player(config.agent, "--model").mistakes,
        faults=faults,
    )


class EmbeddedCast:
    """Who plays in a run's episodes: an expert and a scripted user; nobody but the program judges.

    The base of other casts (`pipeline.cast`), which put models in these places.
    """

    in_flight = EPISODES  # episodes at once in one loop
    user_is_model = False

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def agent(self, episode: Episode, world: World) -> Agent:
        """Who acts in an episode."""
        goals = [goal.for_expert() for goal in episode.task.goals]
        slip = plan_slip(goals, episode.mistake_rate, Rng(derive_seed(episode.seed, "slip")), episode.faults)
        rng = Rng(derive_seed(episode.seed, "agent"))
        phrases = self._recipe.phrases
        return ExpertAgent(goals, world.compiled, world.today, episode.task.language, rng, slip, phrases)

    def user(self, episode: Episode, world: World) -> User:
        """Who asks in an episode."""
        rng = Rng(derive_seed(episode.seed, "user"))
        return ScriptedUser(episode.task, rng, world.today, world.compiled.domain.tools)

    def judge(self) -> ModelJudge | None:
        """Who answers the criteria that no program can; None: nobody."""
        return None

    @contextmanager
    def keeping(self, file: Path) -> Iterator[EmbeddedCast]:
        """This cast for one piece of work; what its models answer is kept in a file."""
        yield self

    def kept(self) -> list[Answered]:
        """What the models of a piece of work answered."""
        return []


async def play(recipe: Recipe, episode: Episode, world: World, cast: EmbeddedCast | None = None) -> Trajectory:
    """One rollout, by the expert and the scripted user if no other cast is given."""
    cast, config = cast or EmbeddedCast(recipe), recipe.config
    environment = SqlEnvironment(world)
    try:
        return await run_episode(
            episode,
            world,
            environment,
            cast.agent(episode, world),
            cast.user(episode, world),
            limits=config.limits,
            agent_name=parse_player(config.agent, "--model").name,
            user_name=parse_player(config.user, "--user").name,
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


async def judge_by_model(recipe: Recipe, record: Record, judge: ModelJudge, domain: Domain) -> Record:
    """The record with the criteria that only a model can answer, answered. Its failure leaves them open.

    Raises InfraFailure when the judge cannot be asked.
    """
    trajectory, verdict = record.trajectory, record.verdict
    if verdict.state is None:
        return record  # what was not judged by program is not judged at all
    questions = [*recipe.rubrics[record.task.domain].criteria, *(c for c, _ in goal_criteria(record.task))]
    try:
        answers = await judge.judge(domain, trajectory, questions, conversation=f"{trajectory.episode_id}:judge")
    except JudgeFailure as failure:
        failed = trajectory.model_copy(update={"status": "judge_failure", "failure": str(failure)})
        unscored = verdict.model_copy(update={"passed": None, "failure": str(failure)})
        return decide(record.model_copy(update={"trajectory": failed, "verdict": unscored}), recipe.config)
    by_name = {score.name: score for score in answers}
    scores = tuple(by_name.get(score.name, score) for score in verdict.scores)
    passed = trajectory.status == "ok" and verdict.state.passed and at_bar(scores)
    judged = verdict.model_copy(update={"scores": scores, "passed": passed, "score": mean_score(scores)})
    return decide(record.model_copy(update={"verdict": judged}), recipe.config)


class Worker:
    """One event loop's worth of work on a run."""

    def __init__(self, recipe: Recipe, folder: RunFolder, report: Report, cast: EmbeddedCast | None = None) -> None:
        self._recipe, self._folder, self._report = recipe, folder, report
        self._cast = cast or EmbeddedCast(recipe)
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
        room = asyncio.Semaphore(self._cast.in_flight)
        with self._folder.journal(work) as journal, self._cast.keeping(self._folder.kept_file(work)) as cast:

            async def attempt(task: Task, world: World, number: int) -> None:
                nonlocal undone
                try:
                    record = await self._episode(cast, journal, work, task, world, number, done)
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
            kept = cast.kept()
        if undone:
            return undone
        if self._sealing is not None:
            await self._sealing
        self._sealing = asyncio.ensure_future(self._seal(work, tasks, dropped, records, admissions, kept))
        return 0

    async def _seal(
        self,
        work: Work,
        tasks: list[Task],
        dropped: list[DroppedTask],
        records: list[Record],
        admissions: Mapping[int, Admission],
        kept: list[Answered],
    ) -> None:
        records.sort(key=lambda record: (record.task.index, record.trajectory.attempt))
        if kept:
            await self._beside(self._folder.keep_completions, work, kept)
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
        cast: EmbeddedCast,
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
            try:
                record = await self._played(cast, task, world, attempt)
            except InfraFailure as failure:
                self._report(Receipt("undone", work.shard, reason=str(failure)))
                return None
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

    async def _played(self, cast: EmbeddedCast, task: Task, world: World, attempt: int) -> Record:
        """An episode, played and judged. Raises InfraFailure when somebody in it could not be asked."""
        trajectory = await play(self._recipe, episode_of(self._recipe.config, task, attempt), world, cast)
        if trajectory.status == "infra_failure":
            raise InfraFailure(trajectory.failure or "")
        domain = world.compiled.domain
        if cast.user_is_model and trajectory.status == "ok" and (erred := user_errors(task, trajectory, domain.tools)):
            failure = "; ".join(f"{error.kind}: {error.detail}" for error in erred[:3])
            trajectory = trajectory.model_copy(update={"status": "user_failure", "failure": failure})
        record: Record = await self._beside(judge, self._recipe, task, trajectory, world)
        asked = cast.judge()
        return record if asked is None else await judge_by_model(self._recipe, record, asked, domain)
