"""A test stand: one world, and all that is needed to play and judge a task in it, again and again.

It plays as a run does (the expert, the scripted user, the program's verdict), and it recites what was edited. A verdict
begins with the state: where that fails, nothing else is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import orjson

from pipeline.check.examples import filled
from pipeline.check.oracle import Dump
from pipeline.check.plausible import Pool, cells_of, plausible_arguments
from pipeline.check.script import Renames, Script, turns
from pipeline.domain import Tool
from pipeline.errors import DomainDefect
from pipeline.identity import Rng, derive_seed
from pipeline.judging.verdict import judge_by_program, judge_state
from pipeline.judging.view import user_turns
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode, system_prompt
from pipeline.rollout.recital import WIDE, now, recite
from pipeline.tasks.draw import Drawer
from pipeline.types import Episode, Goal, PlannedFault, Rubric, Task, Trajectory, Verdict
from pipeline.world import FinalState, SqlEnvironment
from pipeline.world.dump import read_rows

_EXTRAS = 3  # successful calls of each writing tool that are kept
_PROBES = 8  # calls tried to find them


class Stand:
    """One world under one rubric. What it finds out about the world serves all its tasks."""

    def __init__(self, drawer: Drawer, rubric: Rubric, prompt: str, phrases: dict[str, list[str]]) -> None:
        """`prompt`: the template of the agent's system prompt; `phrases`: the expert's own words."""
        self._drawer, self._rubric, self._phrases = drawer, rubric, phrases
        self.world = drawer.world
        self.compiled = drawer.world.compiled
        self._prompt = system_prompt(self.compiled.domain, self.world.today, prompt)

    # ------------------------------------------------------------ playing

    def careful(
        self, task: Task, seed: int, goals: Sequence[Goal] | None = None, faults: Sequence[PlannedFault] = ()
    ) -> Trajectory:
        """A careful expert's run of a task. `goals`: what the expert is given in place of the task's own."""
        given = [goal.for_expert() for goal in goals or task.goals]
        words = self._phrases
        agent = ExpertAgent(
            given, self.compiled, self.world.today, task.language, Rng(derive_seed(seed, "agent")), None, words
        )
        user = ScriptedUser(task, Rng(derive_seed(seed, "user")), self.world.today, self.compiled.domain.tools)
        environment = SqlEnvironment(self.world)
        try:
            episode = _episode(task, faults)
            return now(run_episode(episode, self.world, environment, agent, user, limits=WIDE, prompt=self._prompt))
        finally:
            environment.close()

    def perform(
        self,
        task: Task,
        script: Script,
        careful: Trajectory,
        *,
        faults: Sequence[PlannedFault] = (),
        shift: int = 0,
    ) -> Trajectory:
        """What comes of an edited script of the careful run."""
        names = Renames(script, careful, all_texts=shift > 0)
        return recite(
            _episode(task, ()), self.world, turns(script),
            prompt=self._prompt, spell=names.spell, heard=names.heard, faults=faults, shift=shift,
        )  # fmt: skip

    # ------------------------------------------------------------ judging

    def verdict(self, task: Task, trajectory: Trajectory) -> Verdict:
        """The verdict on a run, as a row of the dataset gets it."""
        with self._end(trajectory) as end:
            return judge_by_program(task, trajectory, self.compiled.domain, self.compiled.shapes, end, self._rubric)

    def passes(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether a run passes. Raises DomainDefect when the domain, not the run, is at fault."""
        if trajectory.status == "domain_defect":
            raise DomainDefect(trajectory.failure or "a call of an edited run failed outside a guard")
        with self._end(trajectory) as end:
            if not judge_state(task, trajectory, self.compiled.shapes, end).passed:
                return False
        return self.verdict(task, trajectory).passed is True

    def _end(self, trajectory: Trajectory) -> FinalState:
        return FinalState(self.world, trajectory.change, trajectory.calls, user_turns(trajectory.messages))

    # ------------------------------------------------------------ what the world offers

    @cached_property
    def rows(self) -> Dump:
        """All rows at the start."""
        return read_rows(self.world.plain_image, self.compiled.shapes)

    @cached_property
    def cells(self) -> Pool:
        """Cells of the world by column."""
        return cells_of(self._drawer.start, self.compiled.shapes)

    @cached_property
    def ids(self) -> Pool:
        """The ids that there are, by the column that holds them: keys of one column, and references to them."""
        keys = {s.key[0] for s in self.compiled.shapes.values() if len(s.key) == 1}
        columns = keys | {column for s in self.compiled.shapes.values() for column in s.references}
        return {name: cells for name, cells in self.cells.items() if name in columns}

    @cached_property
    def writes(self) -> list[tuple[str, str]]:
        """(tool, arguments as JSON text) of calls that would change something, a few for each writing tool."""
        rng = Rng(derive_seed(self.world.seed, "writes"))
        found: list[tuple[str, str]] = []
        environment = SqlEnvironment(self.world)
        try:
            for tool in self.compiled.domain.tools:
                if not tool.effects or tool.actor == "user":
                    continue
                good, kept = self._ok_examples(tool), 0
                for n in range(_PROBES):
                    if n < len(good):
                        arguments = good[n]
                    else:
                        arguments = plausible_arguments(tool, rng, self.cells, self.world.today, good)
                    if environment.call(tool.name, arguments).wrote:
                        found.append((tool.name, orjson.dumps(arguments).decode()))
                        kept += 1
                        if kept == _EXTRAS:
                            break
        finally:
            environment.close()
        return found

    def _ok_examples(self, tool: Tool) -> list[dict[str, Any]]:
        """Arguments by which, as the domain says, this tool's call succeeds."""
        out = []
        for example in tool.examples:
            if example.expect == "ok":
                for row in self._drawer.start.rows(example.draw, {}, 2) if example.draw else [{}]:
                    out.append({name: filled(tool, name, value, row) for name, value in example.arguments.items()})
        return out


def _episode(task: Task, faults: Sequence[PlannedFault]) -> Episode:
    return Episode(
        episode_id="admission", task=task, attempt=0, seed=task.seed, agent_spec="expert", faults=tuple(faults)
    )
