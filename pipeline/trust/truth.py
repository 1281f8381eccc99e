"""Playing hand-checked conversations and holding the verdicts against their labels.

The task is made as a run makes it, the words and calls are the case's, the calls are executed for real and the verdict
is the program's. What the case says of the draw is filled in when it is due, with what had been seen by then.

`python -m pipeline.trust.truth DOMAIN [CASE]` (a name or a folder) prints each case's verdict against its label; with
CASE, the conversation and how it was judged. With an intent's name it shows what the first seeds draw.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.config import WORLD_TASKS, RunConfig
from pipeline.domain import Kind
from pipeline.errors import BadInput, Exit, ToolworldsError, Unverified
from pipeline.identity import content_hash, derive_seed
from pipeline.judging.rubric import domain_rubric
from pipeline.judging.verdict import judge_by_program
from pipeline.judging.view import user_turns
from pipeline.rollout.loop import system_prompt
from pipeline.rollout.recital import recite
from pipeline.tasks.draw import Drawer
from pipeline.tasks.personas import load_personas
from pipeline.tasks.synthesize import TaskMaker
from pipeline.trust.cases import Case, Cases, load_cases, truth_file
from pipeline.trust.script import Script
from pipeline.types import Call, Episode, Task, Trajectory
from pipeline.verdicts import Rubric, Verdict
from pipeline.world import (
    CompiledDomain,
    FinalState,
    World,
    compile_domain,
    find_domain,
    load_source,
    populate,
)

WORLDS = 6  # in which a draw is looked for


class Tried(NamedTuple):
    """A case as it was played and judged."""

    case: Case
    task: Task
    trajectory: Trajectory
    verdict: Verdict

    @property
    def passed(self) -> bool:
        return self.verdict.passed is True

    @property
    def as_labelled(self) -> bool:
        return self.passed == (self.case.label == "pass")


class Bench:
    """Where the cases of one domain are played: a few of its worlds, and the rubric of the domain."""

    def __init__(self, compiled: CompiledDomain, rubric: Rubric) -> None:
        self.compiled, self._rubric = compiled, rubric
        self._maker = TaskMaker(compiled, RunConfig(domains=(compiled.domain.name,)), load_personas())
        self._drawers: list[Drawer] = []

    def _drawer(self, number: int) -> Drawer:
        """The drawer over one of the worlds, populated when it is first asked for."""
        while len(self._drawers) <= number:
            seed = self._maker.world_seed(len(self._drawers) * WORLD_TASKS)
            self._drawers.append(Drawer(populate(self.compiled, seed)))
        return self._drawers[number]

    def play(self, cases: Cases, number: int) -> Tried:
        """Play and judge one case. Raises BadInput, with its line, when it does not fit the domain any more."""
        case = cases.cases[number]
        task, world = self._task(cases, number)
        script = Script(cases, number, task, world.today, self.compiled.domain.currency)
        name = content_hash({"task": task.task_id, "case": case.name})
        episode = Episode(episode_id=name, task=task, attempt=0, seed=derive_seed(name), agent_spec="written")
        trajectory = recite(
            episode,
            world,
            script.turns(),
            prompt=system_prompt(self.compiled.domain, world.today),
            spell=script.spell,
            heard=script.heard,
            faults=case.faults,
        )
        script.check(trajectory)
        with FinalState(world, trajectory.change, trajectory.calls, user_turns(trajectory.messages)) as end:
            compiled = self.compiled
            verdict = judge_by_program(task, trajectory, compiled.domain, compiled.shapes, end, self._rubric)
        return Tried(case, task, trajectory, verdict)

    def _task(self, cases: Cases, number: int) -> tuple[Task, World]:
        """The task of a case."""
        case = cases.cases[number]
        known = {intent.name for intent in self.compiled.domain.intents}
        for name in case.intents:
            if name not in known:
                raise BadInput(f"there is no intent {name!r}", where=cases.at(number, "intent"))
        try:
            return self.task(case.intents, case.seed, case.kind)
        except BadInput as error:
            raise BadInput(error.what, where=cases.at(number, "seed"), remedy=error.remedy) from None

    def task(self, intents: Sequence[str], seed: int, kind: Kind | None = None) -> tuple[Task, World]:
        """A draw of these intents, in the first world that has what they need. Raises BadInput when none has."""
        own = self.compiled.domain.intent(intents[0]).kind if len(intents) == 1 else "several"
        detail = ""
        for n in range(WORLDS):
            drawer = self._drawer(n)
            task = self._maker.of(drawer, kind or own, intents, seed)
            if isinstance(task, Task):
                return task, drawer.world
            detail = task.detail
        raise BadInput(f"no task comes of it: {detail}", remedy="Choose another seed, or intents that fit one person.")


def bench_of(folder: Path) -> Bench:
    """The bench of a domain in a folder, with the rubrics that ship with the project."""
    compiled = compile_domain(load_source(folder))
    return Bench(compiled, domain_rubric(compiled.domain.name))


def try_cases(bench: Bench, cases: Cases) -> Iterator[Tried]:
    """Every case, played and judged. Raises BadInput at the first that does not fit its domain any more."""
    for number in range(len(cases.cases)):
        yield bench.play(cases, number)


# ---------------------------------------------------------------- for who writes cases


def why(tried: Tried) -> list[str]:
    """What the verdict holds against a conversation, a line each; nothing when it passed."""
    state = tried.verdict.state
    lines = [str(difference) for difference in state.differences] if state is not None and not state.passed else []
    return lines + [
        " ".join(part for part in (f"{score.name}:", score.reason, score.evidence) if part)
        for score in tried.verdict.scores
        if score.gates and score.passed is False
    ]


def conversation(trajectory: Trajectory) -> Iterator[str]:
    """The conversation as it was played, calls included, a line each."""
    left, turn = list(trajectory.calls), 0
    for message in trajectory.messages:
        if message.role in ("system", "tool"):
            continue
        turn += message.role == "assistant"
        actor = "agent" if message.role == "assistant" else "user"
        said = [f"{actor:<6} {message.content}"] if message.content else []
        lines = [f"       {_called(call)}" for call in left if (call.actor, call.turn) == (actor, turn)]
        left = [call for call in left if (call.actor, call.turn) != (actor, turn)]
        yield from said + lines if actor == "agent" else lines + said


def _called(call: Call) -> str:
    notes = f"{' [wrote]' if call.wrote else ''}{f' [fault: {call.fault}]' if call.fault else ''}"
    notes += " [by the user]" if call.actor == "user" else ""
    return f"{call.name}({call.arguments}) -> {call.result if call.error is None else 'error: ' + call.error}{notes}"


def main(arguments: Sequence[str]) -> Exit:
    """Print the cases of a domain, one of them at length, or draws of an intent.

    Raises Unverified when a verdict is not as labelled, or a case does not fit the domain any more.
    """
    if not 1 <= len(arguments) <= 2:
        remedy = "For example: python -m pipeline.trust.truth travel [case or intent]"
        raise BadInput("say which domain", remedy=remedy)
    bench = bench_of(find_domain(arguments[0]))
    domain = bench.compiled.domain
    only = arguments[1] if len(arguments) == 2 else None
    if only in {intent.name for intent in domain.intents}:
        print(*_draws(bench, str(only)), sep="\n")
        return Exit.COMPLETE
    file = truth_file(domain.name)
    if file is None:
        where = f"tests/truth/{domain.name}.yaml"
        raise BadInput(
            f"{domain.name} has no hand-checked cases", where=where, remedy="Write some: see trust/cases.py."
        )
    cases = load_cases(file)
    names = [case.name for case in cases.cases]
    if only is not None and only not in names:
        raise BadInput(f"there is no case or intent {only!r}", where=file.name, remedy=f"Cases: {', '.join(names)}.")
    asked = [number for number, name in enumerate(names) if only in (None, name)]
    wrong = sum([_tell(bench, cases, number, whole=only is not None) for number in asked])
    passes = sum(case.label == "pass" for case in cases.cases)
    print(f"{len(asked)} of {len(names)} cases ({passes} to pass) played: {wrong} to be looked at")
    if wrong:
        raise Unverified(f"{wrong} cases of {domain.name} are to be looked at")
    return Exit.COMPLETE


def _tell(bench: Bench, cases: Cases, number: int, *, whole: bool) -> bool:
    """Print how one case went. True when it is to be looked at: stale, or judged in a way that nobody explains."""
    try:
        tried = bench.play(cases, number)
    except BadInput as error:
        print(f"STALE  {error}")
        return True
    case = tried.case
    if whole:
        print(*(f"draw   {goal.intent}: {dict(goal.values)}" for goal in tried.task.goals), sep="\n")
        print(*conversation(tried.trajectory), sep="\n")
    mark = "ok" if tried.as_labelled else "miss" if case.miss is not None else "WRONG"
    print(f"{mark:<6} {case.name}: label {case.label}, verdict {'pass' if tried.passed else 'fail'}")
    if whole or not tried.as_labelled:
        print(*(f"         {line}\n" for line in why(tried)), sep="", end="")
    return mark == "WRONG"


def _draws(bench: Bench, intent: str) -> Iterator[str]:
    """What the first seeds draw of an intent, and the user's words for it."""
    for seed in range(6):
        try:
            task, _ = bench.task([intent], seed)
        except BadInput as error:
            yield f"seed {seed}: {error.what}"
            continue
        goal = task.goals[0]
        yield f"seed {seed}: {dict(goal.values)}\n    opening: {goal.opening}"
        yield from (f"    tell:{fact}: {words}" for fact, words in goal.tells.items())
        if goal.push is not None:
            yield f"    push: {goal.push}"


if __name__ == "__main__":
    try:
        sys.exit(int(main(sys.argv[1:])))
    except ToolworldsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(int(error.exit))
