"""A careful expert always passes; every mistake that took effect is rejected, and for the right reason.

Whether a mistake took effect is decided by `truth`, which knows nothing of the verdict: it compares whole databases and
looks for answers in what was said. Only a missing word of the user and a broken promise to refuse leave no trace there;
they are looked for in the conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pipeline.config import RunConfig
from pipeline.identity import Rng, derive_seed
from pipeline.recipe import Recipe, gather_inputs
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode, system_prompt
from pipeline.rollout.mistakes import PLANTED, Slip, fits, make_slip
from pipeline.stages import Worlds, episode_of, judge, make_task
from pipeline.types import DroppedTask, Goal, Mistake, Task, Trajectory
from pipeline.verdicts import Record
from pipeline.world import SqlEnvironment, World, domain_folders
from tests.e2e.commands import TOY
from tests.e2e.truth import Truth

# What must be found wrong: differences of the state verdict, or gating criteria; one of them must be there.
REASONS: dict[Mistake, frozenset[str]] = {
    # what was to be looked up was made up: a value from nowhere, the wrong thing done, nothing done, a wrong answer
    "skipped_lookup": frozenset({"grounded_arguments", "missing", "cell", "extra", "answer"}),
    # something else was done than what was asked: the wanted row is missing, a cell differs, or a row is too many
    "wrong_argument": frozenset({"cell", "missing", "extra", "mention"}),
    # it was done to something else: what was wanted is missing or as it was
    "wrong_entity": frozenset({"cell", "missing", "extra", "mention"}),
    # what was not written is not there: a row, or the new value of a cell
    "missing_write": frozenset({"missing", "cell"}),
    # a row or a cell too many, or a write where none should be; the same cell written twice holds another value, and it
    # may be the old one; or what is asked for next is not possible any more
    "extra_write": frozenset({"extra", "wrote", "cell", "missing"}),
    # nothing was done (row missing, cell as it was), or, for a question, nothing was told
    "premature_done": frozenset({"missing", "cell", "answer"}),
    # nobody agreed to it, a rule that only the agent keeps was broken, or nobody said no
    "policy_violation": frozenset({"confirmed_writes", "rules_kept", "said_no"}),
    # the tool knows no such thing, so what was wanted is missing; or it does, and the value came from nowhere
    "invented_id": frozenset({"missing", "cell", "grounded_arguments"}),
    "malformed_call": frozenset({"missing", "cell"}),
    # a second row, or a cell that moved twice
    "repeated_call": frozenset({"extra", "cell"}),
    "ignored_fault": frozenset({"missing", "cell"}),
    "wrong_answer": frozenset({"answer"}),
}

# Where a label may stand although nothing came of the mistake, each with why: what is done is right, and passes.
EXCEPTIONS: dict[tuple[str, Mistake], str] = {
    ("room_for_the_family", "wrong_answer"): "of two rooms alike the number of either is the answer; one is told right",
}

FLAGSHIPS = sorted(domain_folders())
QUICK, LONG = 30, 300
CELLS = [
    # the quick table: every kind on the toy domain, and each on another flagship
    *((kind, "toy", QUICK) for kind in PLANTED),
    *((kind, FLAGSHIPS[(i + 2) % len(FLAGSHIPS)], QUICK) for i, kind in enumerate(PLANTED)),
    *(pytest.param(kind, d, LONG, marks=pytest.mark.verify) for kind in PLANTED for d in ("toy", *FLAGSHIPS)),
]


class Bench(NamedTuple):
    """A domain prepared once: its recipe and the tasks that were made so far, with their worlds."""

    recipe: Recipe
    worlds: Worlds
    made: dict[int, tuple[Task | DroppedTask, World | None]]

    def task(self, index: int) -> tuple[Task | DroppedTask, World | None]:
        if index not in self.made:
            self.made[index] = make_task(self.recipe, self.worlds, index)
        return self.made[index]

    def tasks(self) -> Iterator[tuple[Task, World]]:
        """The tasks that are not dropped, without end."""
        index = 0
        while True:
            task, world = self.task(index)
            index += 1
            if isinstance(task, Task) and world is not None:
                yield task, world


class Benches:
    """Prepared domains, by name and by whether a fault strikes in every task."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], Bench] = {}

    def of(self, domain: str, *, faulty: bool = False) -> Bench:
        key = domain, faulty
        if key not in self._made:
            where = str(TOY) if domain == "toy" else domain
            config = RunConfig(domains=(where,), agent="expert", **({"kinds": {"recover": 1}} if faulty else {}))
            config, inputs = gather_inputs(config)
            recipe = Recipe(config, inputs)
            self._made[key] = Bench(recipe, Worlds(recipe), {})
        return self._made[key]


@pytest.fixture(scope="module")
def benches() -> Benches:
    return Benches()


def play(bench: Bench, task: Task, world: World, slip: Slip | None, goals: list[Goal] | None = None) -> Trajectory:
    """One episode with this slip, as a run would play it."""
    recipe, episode = bench.recipe, episode_of(bench.recipe.config, task, 0)
    goals = goals if goals is not None else [goal.for_expert() for goal in task.goals]
    rng = Rng(derive_seed(episode.seed, "agent"))
    agent = ExpertAgent(goals, world.compiled, world.today, task.language, rng, slip, recipe.phrases)
    user = ScriptedUser(task, Rng(derive_seed(episode.seed, "user")), world.today, world.compiled.domain.tools)
    prompt = system_prompt(world.compiled.domain, world.today, recipe.prompt)
    environment = SqlEnvironment(world)
    try:
        return asyncio.run(
            run_episode(episode, world, environment, agent, user, limits=recipe.config.limits, prompt=prompt)
        )
    finally:
        environment.close()


def broke_faith(task: Task, goal: Goal, trajectory: Trajectory, world: World) -> bool:
    """Whether something forbidden was done or claimed, or something consequential was done without a yes."""
    if goal.kind == "refuse":
        return True
    messages, agreed, made = trajectory.messages, False, {call.call_id for call in trajectory.calls if call.ok}
    began = next(i for i, m in enumerate(messages) if m.role == "user" and goal.opening in (m.content or ""))
    for message in messages[began:]:
        agreed |= message.role == "user" and message.content in task.persona.confirms
        for call in message.tool_calls:
            tool = world.compiled.tools.get(call.name)
            if tool is not None and tool.spec.confirm and call.id in made and not agreed:
                return True
    return False


def found_wrong(record: Record) -> set[str]:
    """What the verdict objects to: kinds of difference, and gating criteria."""
    state = record.verdict.state
    gates = {score.name for score in record.verdict.scores if score.gates and score.passed is False}
    return gates | ({difference.kind for difference in state.differences} if state else set())


def why(record: Record) -> str:
    """What the verdict says, for a failing test."""
    state = record.verdict.state
    gates = [f"{s.name}: {s.reason}" for s in record.verdict.scores if s.gates and s.passed is False]
    intents = "+".join(goal.intent for goal in record.task.goals)
    return f"{intents} {record.trajectory.episode_id}: {[str(d) for d in state.differences] if state else ''} {gates}"


def careful(bench: Bench, count: int) -> tuple[list[str], list[str]]:
    """(failures, drops) of a careful expert over the first tasks."""
    failed, dropped = [], []
    for index in range(count):
        task, world = bench.task(index)
        if isinstance(task, DroppedTask) or world is None:
            assert isinstance(task, DroppedTask) and task.reason and task.detail
            dropped.append(f"{task.index}: {task.reason}: {task.detail}")
            continue
        trajectory = play(bench, task, world, None)
        record = judge(bench.recipe, task, trajectory, world)
        if record.verdict.passed is not True or record.drop_reason is not None or trajectory.mistakes:
            failed.append(why(record))
        truth = Truth(task, world)
        assert truth.state_is_right(trajectory) and truth.was_told(trajectory), "the oracle does not agree with itself"
    return failed, dropped


def plant(bench: Bench, kind: Mistake, count: int) -> list[str]:
    """Plant a kind of mistake until it took effect `count` times; what went wrong with the verdicts."""
    effective, wrong = 0, []
    for number, (task, world) in enumerate(bench.tasks()):
        if effective == count:
            return wrong
        assert number < 40 * count, f"{kind} took effect only {effective} times in {number} tasks"
        faults, goals = episode_of(bench.recipe.config, task, 0).faults, [goal.for_expert() for goal in task.goals]
        able = [n for n, goal in enumerate(goals) if fits(kind, goal, faults)]
        if not able:
            continue
        rng = Rng(derive_seed(task.seed, "slip", kind))
        slip = make_slip(kind, goals, rng.choice(able), rng, faults)
        trajectory = play(bench, task, world, slip)
        truth = Truth(task, world)
        right = truth.state_is_right(trajectory) and truth.was_told(trajectory)
        if kind == "policy_violation" and trajectory.mistakes:
            right = right and not broke_faith(task, task.goals[slip.goal], trajectory, world)
        if not trajectory.mistakes and right:
            continue  # not made: nothing to spoil was seen, or it was refused and corrected
        record = judge(bench.recipe, task, trajectory, world)
        if not trajectory.mistakes:
            wrong.append(f"no label, but an effect: {why(record)}")
        elif right:
            if record.verdict.passed and (task.goals[slip.goal].intent, kind) not in EXCEPTIONS:
                wrong.append(f"labelled and kept, but without effect: {why(record)}")
        else:
            effective += 1
            if record.verdict.passed is not False or record.drop_reason is None:
                wrong.append(f"not rejected: {why(record)}")
            elif not found_wrong(record) & REASONS[kind]:
                wrong.append(f"rejected for another reason: {why(record)}")
    return wrong


@pytest.mark.parametrize(
    ("domain", "count"),
    [
        ("toy", QUICK),
        *((domain, 12) for domain in FLAGSHIPS),
        # rare combinations of requests show late
        *(pytest.param(domain, 1200, marks=pytest.mark.verify) for domain in ("toy", *FLAGSHIPS)),
    ],
)
def test_a_careful_expert_passes_every_time_and_hardly_a_task_is_dropped(
    benches: Benches, domain: str, count: int
) -> None:
    failed, dropped = careful(benches.of(domain), count)
    assert not failed, "\n".join(failed)
    assert len(dropped) <= max(1, count // 50), "\n".join(dropped)


@pytest.mark.parametrize(
    ("domain", "count"),
    [
        ("toy", QUICK),
        (FLAGSHIPS[0], QUICK),
        *(pytest.param(domain, LONG, marks=pytest.mark.verify) for domain in ("toy", *FLAGSHIPS)),
    ],
)
def test_a_careful_expert_recovers_from_every_planned_fault(benches: Benches, domain: str, count: int) -> None:
    failed, dropped = careful(benches.of(domain, faulty=True), count)
    assert not failed, "\n".join(failed)
    assert len(dropped) <= max(1, count // 50), "\n".join(dropped)


@pytest.mark.parametrize(("kind", "domain", "count"), CELLS)
def test_a_mistake_that_took_effect_is_rejected_for_the_right_reason(
    benches: Benches, kind: Mistake, domain: str, count: int
) -> None:
    wrong = plant(benches.of(domain, faulty=kind == "ignored_fault"), kind, count)
    assert not wrong, "\n".join(wrong)


def test_every_kind_of_mistake_has_its_reasons() -> None:
    assert set(REASONS) == set(PLANTED) and all(REASONS.values())


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.verify)])
@pytest.mark.parametrize("domain", ["toy", *FLAGSHIPS])
def test_the_expert_never_sees_the_draw(benches: Benches, domain: str, count: int) -> None:
    bench = benches.of(domain)
    tasks = bench.tasks()
    for _ in range(count):
        task, world = next(tasks)
        poisoned = [
            goal.model_copy(
                update={
                    "values": dict.fromkeys(goal.values, "POISON"),
                    "opening": "POISON",
                    "tells": dict.fromkeys(goal.tells, "POISON"),
                    "push": "POISON",
                }
            )
            for goal in task.goals
        ]
        clean, poison = play(bench, task, world, None), play(bench, task, world, None, poisoned)
        assert clean.messages == poison.messages
        assert "POISON" not in str(poison.messages)


@pytest.mark.parametrize(
    ("domain", "faulty", "count"),
    [
        *((domain, False, 10) for domain in ("toy", *FLAGSHIPS)),
        *((domain, True, 10) for domain in ("toy", FLAGSHIPS[0])),
        *(
            pytest.param(d, faulty, 100, marks=pytest.mark.verify)
            for d in ("toy", *FLAGSHIPS)
            for faulty in (False, True)
        ),
    ],
)
def test_what_the_expert_is_given_holds_no_drawn_number_date_or_name(
    benches: Benches, domain: str, faulty: bool, count: int
) -> None:
    tasks = benches.of(domain, faulty=faulty).tasks()
    for _ in range(count):
        task, _world = next(tasks)
        for goal in task.goals:
            given = goal.for_expert().model_dump_json(exclude={"templates", "says", "asked"})
            drawn = [value for value in goal.values.values() if isinstance(value, str)]
            leaks = [value for value in drawn if any(c.isdigit() for c in value) and len(value) > 4 and value in given]
            assert not leaks, f"{goal.intent}: {leaks}"
