"""What the project claims about speed and memory, measured: `python -m tests.bench` (or `make bench`).

Every time stands beside a control: a loop of pure Python timed in the same process, before and after. Machines differ
in speed and so do their moods; the ratio to the control can be compared between them. What only computes is measured in
CPU time, which a busy machine stretches less; what writes and whole runs, by the clock on the wall. Targets are those
of the project; a missed one is marked and makes the exit code 1.

Memory is measured in fresh processes, as the peak of a whole run (`ru_maxrss`), small against large.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from pipeline.config import RunConfig
from pipeline.errors import BadInput
from pipeline.publish import publish
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, episode_of, judge, make_task, play
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work
from pipeline.types import DroppedTask, Task, Trajectory
from pipeline.verdicts import Record
from pipeline.world import SqlEnvironment, World, domain_folders, populate
from tests.bench_ladder import measured

ROOT = Path(__file__).resolve().parent.parent
TURNS = range(8, 14)  # assistant messages of "a trajectory of about ten turns"


class Figure(NamedTuple):
    """A measured value with its unit; `most`: the target, where there is one."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def missed(self) -> bool:
        return (self.most is not None and self.value > self.most) or (
            self.least is not None and self.value < self.least
        )


def control() -> float:
    """CPU milliseconds of a fixed piece of pure Python: the yardstick of this machine, now."""
    began = time.thread_time()
    total = 0
    table: dict[int, int] = {}
    for i in range(60_000):
        table[i & 1023] = total = (total * 31 + i) & 0xFFFFFFFF
    return 1000 * (time.thread_time() - began)


def typical(function: Callable[[], object], times: int, clock: Callable[[], float] = time.thread_time) -> float:
    """Median CPU seconds of a call."""
    found = []
    for _ in range(times):
        began = clock()
        function()
        found.append(clock() - began)
    return statistics.median(found)


class Bench(NamedTuple):
    """A domain with tasks, and a careful expert's episodes of them."""

    name: str
    recipe: Recipe
    tasks: list[tuple[Task, World]]
    trajectories: list[Trajectory]
    made: float  # CPU seconds a task


def prepare(domain: str, tasks: int) -> Bench:
    """Make tasks and play each once."""
    config, inputs = gather_inputs(RunConfig(domains=(domain,), agent="expert", tasks=tasks))
    recipe = Recipe(config, inputs)
    worlds = Worlds(recipe)
    for index in range(0, tasks, 16):
        worlds.drawer(*_world_of(recipe, index))  # population is measured apart
    began = time.thread_time()
    found = [make_task(recipe, worlds, index) for index in range(tasks)]
    made = (time.thread_time() - began) / tasks
    good = [(task, world) for task, world in found if isinstance(task, Task) and world is not None]

    async def all_of_them() -> list[Trajectory]:
        return [await play(recipe, episode_of(config, task, 0), world) for task, world in good]

    return Bench(config.domains[0], recipe, good, asyncio.run(all_of_them()), made)


def _world_of(recipe: Recipe, index: int) -> tuple[str, int]:
    domain, position = recipe.place(index)
    return domain, recipe.makers[domain].world_seed(position)


# ---------------------------------------------------------------- worlds, calls, verdicts, tasks


def parts(bench: Bench) -> Iterator[Figure]:
    """The parts that an episode is made of."""
    recipe = bench.recipe
    compiled = recipe.domains[bench.name]
    seeds = iter(range(10**6))
    yield Figure("world population", 1000 * typical(lambda: populate(compiled, next(seeds), recipe.names), 5), "ms")
    yield Figure("task synthesis (CPU)", 1000 * bench.made, "ms")

    task, world = max(bench.tasks, key=lambda pair: len(pair[0].expected[0].change.inserts))
    trajectory = bench.trajectories[[t.task_id for t, _ in bench.tasks].index(task.task_id)]

    def reset() -> None:
        SqlEnvironment(world).close()

    yield Figure("reset", 1000 * typical(reset, 200), "ms", most=1)

    def used_reset() -> float:
        environment = SqlEnvironment(world)
        for call in trajectory.calls:
            environment.call(call.name, orjson.loads(call.arguments))
        began = time.thread_time()
        environment.close()
        SqlEnvironment(world).close()
        return time.thread_time() - began

    yield Figure("reset after an episode", 1000 * statistics.median(used_reset() for _ in range(50)), "ms", most=1)

    calls = []
    for (_, its_world), its in zip(bench.tasks, bench.trajectories, strict=True):
        environment = SqlEnvironment(its_world)
        for call in its.calls:
            arguments = orjson.loads(call.arguments)
            began = time.thread_time()
            environment.call(call.name, arguments)
            calls.append(time.thread_time() - began)
        environment.close()
    yield Figure("tool call, median", 1e6 * statistics.median(calls), "µs")
    yield Figure("tool call, slowest of 100", 1e6 * statistics.quantiles(calls, n=100)[98], "µs")

    verdicts = []
    for (its_task, its_world), its in zip(bench.tasks, bench.trajectories, strict=True):
        judge(recipe, its_task, its, its_world)
        verdicts.append(typical(lambda t=its_task, w=its_world, i=its: judge(recipe, t, i, w), 3))  # type: ignore[misc]
    yield Figure("verdict, mean", 1000 * statistics.mean(verdicts), "ms", most=5)
    yield Figure("verdict, slowest", 1000 * max(verdicts), "ms")


# ---------------------------------------------------------------- a whole trajectory


@contextmanager
def watched_callbacks() -> Iterator[list[float]]:
    """CPU seconds of each callback that the event loop runs meanwhile."""
    found: list[float] = []
    run = asyncio.Handle._run

    def watched(self: asyncio.Handle) -> None:
        began = time.thread_time()
        run(self)
        found.append(time.thread_time() - began)

    asyncio.Handle._run = watched  # type: ignore[method-assign]
    try:
        yield found
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]


def trajectory_cost(bench: Bench) -> Iterator[Figure]:
    """CPU of expert trajectories of about ten turns: rollout on the loop, verdict and journal as a worker does them."""
    some = [
        (task, world)
        for (task, world), its in zip(bench.tasks, bench.trajectories, strict=True)
        if its.n_turns in TURNS
    ][:32]
    if not some:
        yield Figure("trajectories of about ten turns", 0, "found")
        return
    recipe, config = bench.recipe, bench.recipe.config
    beside = 0.0

    def finish(task: Task, trajectory: Trajectory, world: World) -> None:
        nonlocal beside
        began = time.thread_time()
        record = judge(recipe, task, trajectory, world)
        orjson.dumps(record.model_dump(mode="json", exclude={"task"}))
        beside += time.thread_time() - began

    async def one(task: Task, world: World, threads: ThreadPoolExecutor) -> None:
        trajectory = await play(recipe, episode_of(config, task, 0), world)
        await asyncio.get_running_loop().run_in_executor(threads, finish, task, trajectory, world)

    async def all_of_them() -> None:
        with ThreadPoolExecutor(1) as threads:
            for task, world in some:
                await one(task, world, threads)

    asyncio.run(all_of_them())  # warm
    beside = 0.0
    gc.collect()
    with watched_callbacks() as callbacks:
        began = time.process_time()
        asyncio.run(all_of_them())
        total = time.process_time() - began
    yield Figure("trajectories of about ten turns", len(some), "found")
    yield Figure("CPU a trajectory, in all", 1000 * total / len(some), "ms", most=25)
    yield Figure("CPU a trajectory, in callbacks", 1000 * sum(callbacks) / len(some), "ms", most=8)
    yield Figure("CPU a trajectory, beside the loop", 1000 * beside / len(some), "ms")
    yield Figure("longest callback", 1000 * max(callbacks), "ms", most=10)


# ---------------------------------------------------------------- storage


def storage(bench: Bench, folder: Path) -> Iterator[Figure]:
    """Journal, sealing and publishing, with the episodes of the bench."""
    recipe = bench.recipe
    records: list[Record] = [
        judge(recipe, task, its, world)
        for (task, world), its in zip(bench.tasks, bench.trajectories, strict=True)
        if task.index < 32
    ]
    shards = 8
    config = recipe.config.model_copy(update={"tasks": 32 * shards, "attempts": 1})
    with RunFolder.open(folder, config, recipe.fingerprint, recipe.inputs) as run:
        work = Work(0, 0, 32, 0, 1)
        payloads = [record.model_dump(mode="json", exclude={"task"}) for record in records]
        with run.journal(work) as journal:
            began = time.perf_counter()
            for number in range(512):
                journal.append(
                    "record", {"index": number % 32, "attempt": 0, "record": payloads[number % len(payloads)]}
                )
            journal.flush()
            yield Figure("journal append, fdatasync grouped", 1e6 * (time.perf_counter() - began) / 512, "µs")
        size = sum(len(record.model_dump_json()) for record in records)
        tasks = [record.task for record in records]
        dropped = [
            DroppedTask(index=i, domain=bench.name, reason="bench", detail="bench")
            for i in range(32)
            if i not in {task.index for task in tasks}
        ]
        spent = 0.0
        for shard in range(shards):
            by = 32 * shard
            moved = [_moved(record, by) for record in records]
            lost = [task.model_copy(update={"index": task.index + by}) for task in dropped]
            its = Work(shard, by, by + 32, 0, 1)
            began = time.perf_counter()
            run.seal(its, [record.task for record in moved], lost, moved)
            spent += time.perf_counter() - began
        yield Figure("sealing, of JSON", shards * size / spent / 1e6, "MB/s")
        categories = {bench.name: recipe.domains[bench.name].domain.category}
        began = time.perf_counter()
        funnel = publish(run, config, categories=categories)
        rows = funnel.accepted + funnel.rejected
        yield Figure("publishing", rows / (time.perf_counter() - began), "rows/s")


def _moved(record: Record, by: int) -> Record:
    task = record.task.model_copy(update={"index": record.task.index + by, "task_id": f"{record.task.task_id}{by}"})
    name = f"{record.trajectory.episode_id}{by}"
    trajectory = record.trajectory.model_copy(update={"episode_id": name, "task_id": task.task_id})
    verdict = record.verdict.model_copy(update={"episode_id": name})
    return record.model_copy(update={"task": task, "trajectory": trajectory, "verdict": verdict})


# ---------------------------------------------------------------- whole runs, in processes of their own

_RUN = """
import json, resource, sys, time
from pipeline.cli import main
sys.argv = ["toolworlds", *sys.argv[1:]]
began = time.perf_counter()
try:
    main()
except SystemExit as ended:
    code = ended.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([code, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, time.perf_counter() - began]),
    file=sys.stderr)
"""


class Run(NamedTuple):
    """A whole run: peak memory (MB), CPU and wall seconds."""

    peak: float
    cpu: float
    wall: float


def whole_run(domain: str, episodes: int, folder: Path) -> Run:
    """Make a run of so many episodes, two attempts a task, in a fresh process."""
    size = ["--tasks", str(episodes // 2), "--attempts", "2", "--out", str(folder)]
    command = [sys.executable, "-c", _RUN, "generate", "--domain", domain, *size]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    code, peak, cpu, wall = json.loads(answer.stderr.splitlines()[-1])
    if code != 0:
        raise SystemExit(f"the run of {episodes} episodes ended with {code}:\n{answer.stderr}")
    return Run(peak, cpu, wall)


def runs(domain: str, small: int, large: int, folder: Path) -> Iterator[Figure]:
    few = whole_run(domain, small, folder / "small")
    yield Figure(f"{small:,} episodes end to end", small / few.wall, "episodes/s")
    yield Figure(f"{small:,} episodes, CPU each", 1000 * few.cpu / small, "ms")
    yield Figure(f"{small:,} episodes, peak memory", few.peak, "MB")
    if large > small:
        many = whole_run(domain, large, folder / "large")
        yield Figure(f"{large:,} episodes end to end", large / many.wall, "episodes/s")
        yield Figure(f"{large:,} episodes, peak memory", many.peak, "MB")
        yield Figure(f"peak memory, {large:,} against {small:,}", many.peak / few.peak, "×", most=1.3)


# ---------------------------------------------------------------- the ladder


def ladder() -> Iterator[Figure]:
    """CPU seconds of every rung, and of all of them, for each shipped domain."""
    for name in domain_folders():
        seconds = measured(name)
        yield from (Figure(f"{name}: {rung}", used, "s") for rung, used in seconds.items())
        yield Figure(f"ladder, {name}", sum(seconds.values()), "s", most=10)


# ---------------------------------------------------------------- the table


def show(figure: Figure, yardstick: float) -> None:
    """One line: value, ratio to the control (times only), target, and whether it is met."""
    scale = {"s": 1000.0, "ms": 1.0, "µs": 0.001}.get(figure.unit)
    ratio = f"{figure.value * scale / yardstick:8.3f}" if scale is not None else " " * 8
    bound = figure.most if figure.most is not None else figure.least
    target = "" if bound is None else f"{'≤' if figure.most is not None else '≥'} {bound:g}"
    met = "" if bound is None else ("MISSED" if figure.missed else "met")
    print(f"{figure.name:<38} {figure.value:>10,.2f} {figure.unit:<11} {ratio}  {target:>7}  {met}", flush=True)


def a_domain() -> str:
    """Travel where it loads, else the toy domain."""
    try:
        Recipe(*gather_inputs(RunConfig(domains=("travel",)))).makers  # noqa: B018
    except BadInput:
        return str(ROOT / "tests" / "toy")
    return "travel"


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domain", default=None, help="a domain's name or folder (travel where it loads)")
    parser.add_argument("--tasks", type=int, default=128, help="tasks to measure the parts with")
    parser.add_argument("--small", type=int, default=2_000, help="episodes of the small run")
    parser.add_argument("--large", type=int, default=20_000, help="episodes of the large run; 0: leave both runs out")
    given = parser.parse_args()
    domain = given.domain or a_domain()
    before = statistics.median(control() for _ in range(9))
    missed = []
    print(f"{domain}; the control takes {before:.2f} ms of CPU\n")
    print(f"{'':<38} {'measured':>10} {'':<11} {'/control':>8}  {'target':>7}")
    folder = Path(tempfile.mkdtemp(prefix="toolworlds-bench-"))
    try:
        bench = prepare(domain, given.tasks)
        figures = [parts(bench), trajectory_cost(bench), storage(bench, folder / "storage"), ladder()]
        figures += [runs(domain, given.small, given.large, folder)] if given.large else []
        for group in figures:
            for figure in group:
                show(figure, before)
                missed += [figure.name] if figure.missed else []
            print()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    after = statistics.median(control() for _ in range(9))
    print(f"the control took {before:.2f} ms before and {after:.2f} ms after")
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
