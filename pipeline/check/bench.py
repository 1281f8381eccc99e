"""One task on a stand, to be played and judged again and again.

It plays as a run does (the expert, the scripted user, the program's verdict), and it recites what was edited. The runs
of one task are alike but for one thing each, so what they have in common is executed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from engine.types import canonical_json
from pipeline.check.script import Renames, Script, turns
from pipeline.check.stand import Stand
from pipeline.errors import DomainDefect
from pipeline.identity import Rng, derive_seed
from pipeline.judging.verdict import gates_open, judge_by_program, judge_state
from pipeline.judging.view import user_turns
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode
from pipeline.rollout.recital import WIDE, now, recite
from pipeline.types import Cell, Episode, FaultKind, Goal, PlannedFault, Task, Trajectory
from pipeline.verdicts import Verdict
from pipeline.world import FinalState, Outcome, SqlEnvironment


class Bench:
    """One task, and what its runs share."""

    def __init__(self, task: Task, stand: Stand) -> None:
        self.task, self.stand = task, stand
        self._looked_up: dict[tuple[str, str, str], Outcome] = {}
        self._broken: dict[str, list[str]] = {}

    # ------------------------------------------------------------ playing

    def careful(
        self, seed: int, goals: Sequence[Goal] | None = None, faults: Sequence[PlannedFault] = ()
    ) -> Trajectory:
        """A careful expert's run. `goals`: what the expert is given in place of the task's own."""
        task, stand, world = self.task, self.stand, self.stand.world
        given = [goal.for_expert() for goal in goals or task.goals]
        agent_rng, user_rng = (Rng(derive_seed(seed, role)) for role in ("agent", "user"))
        agent = ExpertAgent(given, stand.compiled, world.today, task.language, agent_rng, None, stand.phrases)
        user = ScriptedUser(task, user_rng, world.today, stand.compiled.domain.tools)
        environment = Memory(stand, self._looked_up, 0)
        try:
            episode = self._episode(faults)
            return now(run_episode(episode, world, environment, agent, user, limits=WIDE, prompt=stand.prompt))
        finally:
            environment.close()

    def perform(
        self, script: Script, careful: Trajectory, *, faults: Sequence[PlannedFault] = (), shift: int = 0
    ) -> Trajectory:
        """What comes of an edited script of the careful run."""
        names = Renames(script, careful, all_texts=shift > 0)
        return recite(
            self._episode(()), self.stand.world, turns(script),
            prompt=self.stand.prompt, spell=names.spell, heard=names.heard, faults=faults,
            environment=Memory(self.stand, self._looked_up, shift),
        )  # fmt: skip

    def _episode(self, faults: Sequence[PlannedFault]) -> Episode:
        return Episode(
            episode_id="admission",
            task=self.task,
            attempt=0,
            seed=self.task.seed,
            agent_spec="expert",
            faults=tuple(faults),
        )

    # ------------------------------------------------------------ judging

    def verdict(self, run: Trajectory) -> Verdict:
        """The verdict on a run, as a row of the dataset gets it. Raises DomainDefect when SQL of the domain fails."""
        stand = self.stand
        with End(stand, run, self._broken) as end:
            return judge_by_program(self.task, run, stand.compiled.domain, stand.compiled.shapes, end, stand.rubric)

    def passes(self, run: Trajectory) -> bool:
        """Whether a run passes. Raises DomainDefect when the domain, not the run, is at fault."""
        return self.state_passes(run) and self.gates_open(run)

    def state_passes(self, run: Trajectory) -> bool:
        """Whether the state verdict passes a run; it is asked first, because it is what most wrong runs fail by."""
        if run.status == "domain_defect":
            raise DomainDefect(run.failure or "a call of an edited run failed outside a guard")
        with LateEnd(self.stand, run, self._broken) as end:
            return judge_state(self.task, run, self.stand.compiled.shapes, end, brief=True).passed

    def gates_open(self, run: Trajectory) -> bool:
        """Whether a run is at the bar of every criterion that gates."""
        with LateEnd(self.stand, run, self._broken) as end:
            return gates_open(self.task, run, self.stand.compiled.domain, end, self.stand.rubric)

    def keeps_rules(self, run: Trajectory) -> bool:
        """Whether no rule that is left to the agent was broken."""
        rules = self.stand.compiled.domain.rules.values()
        with End(self.stand, run, self._broken) as end:
            return not any(rule.violated is not None and end.check(rule.violated) for rule in rules)


class Memory(SqlEnvironment):
    """An environment in which a look-up is executed once for all runs of a task that make it in the same state.

    What looks at the clock is executed every time, and so is every call that could write.
    """

    def __init__(self, stand: Stand, seen: dict[tuple[str, str, str], Outcome], shift: int) -> None:
        super().__init__(stand.world, shift=shift)
        self._timeless, self._seen = stand.timeless, seen

    def call(
        self, name: str, arguments: Mapping[str, Any], *, actor: str = "agent", fault: FaultKind | None = None
    ) -> Outcome:
        if fault is not None or name not in self._timeless or actor != "agent":
            return super().call(name, arguments, actor=actor, fault=fault)
        key = self.state_hash(), name, canonical_json(arguments)
        if key in self._seen:
            self._calls += 1  # the clock ticks all the same
        else:
            self._seen[key] = super().call(name, arguments)
        return self._seen[key]


class End(FinalState):
    """The end of one run. Runs that end in one state share what is found out about its invariants (`known`)."""

    def __init__(self, stand: Stand, run: Trajectory, known: dict[str, list[str]]) -> None:
        super().__init__(stand.world, run.change, run.calls, user_turns(run.messages))
        self._state, self._known = run.state_after, known

    def broken_invariants(self) -> list[str]:
        if self._state not in self._known:
            self._known[self._state] = super().broken_invariants()
        return self._known[self._state]


class LateEnd:
    """The end of one run, opened when something is first asked of it."""

    def __init__(self, stand: Stand, run: Trajectory, known: dict[str, list[str]]) -> None:
        self._given = stand, run, known
        self._opened = ExitStack()
        self._end: End | None = None

    def _here(self) -> End:
        if self._end is None:
            self._end = End(*self._given)
            self._opened.callback(self._end.close)
        return self._end

    def check(self, sql: str, bindings: Mapping[str, Cell]) -> bool:
        return self._here().check(sql, bindings)

    def broken_invariants(self) -> list[str]:
        return self._here().broken_invariants()

    def __enter__(self) -> LateEnd:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
