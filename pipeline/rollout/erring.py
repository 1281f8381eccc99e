"""The work on a goal with one mistake in it, of the kind that models make.

`GoalWork` is what a careful agent does; here single moves of it go wrong, each kind of mistake at its own. A label is
set when the altered action was taken and stands: a wrong call that is refused and then mended is no mistake, and where
nothing plausible offers itself the work is done well.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from engine.types import Message
from pipeline.errors import BadInput
from pipeline.rollout.mistakes import Slip, decisive, own_writes
from pipeline.rollout.recovery import Trouble
from pipeline.rollout.spoil import guess, invented_ids, malformed, other_answer, was_said, wrong_entities, wrong_values
from pipeline.rollout.work import DECLINED, GoalWork, Heard
from pipeline.sources import fill, look_up
from pipeline.types import Goal, PlanStep, Source
from pipeline.wording import say_day, say_money

if TYPE_CHECKING:
    from pipeline.rollout.expert import ExpertAgent

MOST_EXTRA = 3  # extra writes that are tried before it is given up


class ErringWork(GoalWork):
    """A goal's work with a planned mistake."""

    def __init__(self, agent: ExpertAgent, goal: Goal, slip: Slip) -> None:
        super().__init__(agent, goal)
        self._slip, self._point = slip, slip.point
        self._ignored = False  # a fault was passed over: what it kept back is not there
        self._left_out: PlanStep | None = None
        self._made: list[tuple[str, dict[str, Any]]] = []  # writes that succeeded
        if self._complies and goal.forbidden is not None:
            self.plan = goal.forbidden

    # ------------------------------------------------------------ where it goes wrong

    @property
    def _complies(self) -> bool:
        """It does what policy forbids, because it is asked to."""
        return self._slip.kind == "policy_violation" and self.goal.kind in DECLINED

    def _label(self) -> None:
        if not self.agent.taken:
            self.agent.taken.append(self._slip.kind)

    def _place(self, among: Sequence[PlanStep]) -> PlanStep | None:
        """The one of these calls at which the mistake is due."""
        return among[self._point % len(among)] if among else None

    def _due(self, step: PlanStep) -> bool:
        return not self.agent.taken and step == self._place(own_writes(self.plan.steps))

    def _lies(self) -> str:
        """Say that all is done, whatever came of it."""
        self._label()
        return self.phrase("claims")

    # ------------------------------------------------------------ the moves, gone wrong

    def steps(self) -> list[PlanStep]:
        """The plan's calls: without one of them, or only up to one."""
        steps = super().steps()
        match self._slip.kind:
            case "missing_write":
                gone = self._place([step for step in steps if step.writes])
                lost = {gone.key} if gone is not None else set()
                return [step for step in steps if step != gone and not self.uses(step, lost)]
            case "premature_done":
                end = self._place([step for step in steps if step.writes])
                return steps[: steps.index(end)] if end is not None else steps
            case "skipped_lookup":
                self._left_out = self._place(decisive(self.plan, self.goal.answers))
                return [step for step in steps if step != self._left_out]
        return steps

    def propose(self, step: PlanStep) -> Generator[Message, Heard, Heard]:
        """Ask for the user's word, or forget to."""
        if self._complies:
            heard = yield self.agent.say(self.phrase("proposing_it", action=step.tool.replace("_", " ")))
            return heard
        if self._slip.kind == "policy_violation":
            return ()
        return (yield from super().propose(step))

    def do(self, batch: Sequence[PlanStep]) -> Generator[Message, Heard, str | None]:
        step = batch[0]
        if self._due(step):
            match self._slip.kind:
                case "wrong_argument" | "wrong_entity" | "invented_id" | "malformed_call":
                    return (yield from self._do_wrongly(step))
                case "repeated_call":
                    return (yield from self._do_twice(step))
        if self._ignored and any(self._lacks(each) for each in batch):
            return None
        stopped = yield from super().do(batch)
        if stopped is None:
            if self._slip.kind == "policy_violation" and step.confirm and not self._complies:
                self._label()
        elif self._complies or (self._left_out is not None and step.writes):
            return self._lies()
        elif self._slip.kind == "missing_write":
            self._label()  # what was left out is missed now, and it does not see why
        elif self._left_out is not None:
            return None  # a look-up by a guess brings nothing: it goes on guessing
        return stopped

    def arguments(self, step: PlanStep) -> dict[str, Any]:
        """A step's arguments; without the look-up that was left out, some are made up."""
        try:
            return super().arguments(step)
        except (KeyError, BadInput):
            if self._left_out is None:
                raise
        values: dict[str, Any] = {}
        for name, schema in self.parameters(step.tool).items():
            if name in step.arguments:
                try:
                    values |= fill({name: step.arguments[name]}, {name: schema}, self.told, self.results, self.currency)
                except (KeyError, BadInput):
                    values[name] = guess(name, schema, self.agent.today, self.rng) or "as discussed"
        return values

    def took(self, step: PlanStep, arguments: dict[str, Any], result: Any) -> str | None:
        refused = super().took(step, arguments, result)
        if refused is None and step.writes:
            self._made.append((step.tool, arguments))
        return refused

    def mend(self, step: PlanStep, arguments: dict[str, Any], met: Trouble) -> Generator[Message, Heard, str | None]:
        """See to a call that met trouble, or go on as if it had worked."""
        if self._slip.kind == "ignored_fault" and step.writes and step.tool == self._slip.tool and not self._ignored:
            self._ignored = True
            self._label()
            return None
        return (yield from super().mend(step, arguments, met))

    def close(self) -> Generator[Message, Heard, Heard]:
        kind = self._slip.kind
        if kind == "extra_write":
            yield from self._once_more()
        if kind == "premature_done" or self._complies:
            heard = yield self.agent.say(self._lies())
            return heard
        return (yield from super().close())

    def report(self) -> str:
        match self._slip.kind:
            case "missing_write":
                self._label()
            case "wrong_answer":
                if (wrong := next(self._misreports(), None)) is not None:
                    self._label()
                    return wrong
            case "skipped_lookup" if self._left_out is not None:
                self._label()
                return self._guessed_report()
        return super().report()

    # ------------------------------------------------------------ calls

    def _do_wrongly(self, step: PlanStep) -> Generator[Message, Heard, str | None]:
        """Make a call with something wrong in it; one that is refused is mended, or papered over."""
        kind, tool = self._slip.kind, self.agent.compiled.tools[step.tool].spec
        try:
            right = self.arguments(step)
        except KeyError:
            return (yield from super().do([step]))
        if kind == "malformed_call":
            yield from self.one(step.tool, malformed(tool, right, self.rng), None)
            return self._lies()
        if kind == "invented_id":
            heard = str([self.told, self.results, self.agent.said])
            ways = invented_ids(tool, right, heard, self.rng)
        else:
            find = wrong_values if kind == "wrong_argument" else wrong_entities
            ways = find(tool, right, self.results, step.free, self.rng)
        if not ways:
            self._point += 1  # nothing plausible to take instead: the next write may have something
            return (yield from super().do([step]))
        refused = yield from self.send([(step, ways[0])], None)
        if refused is None or self.unsettled:
            self._label()
            return refused
        if kind == "invented_id":
            return self._lies()
        return (yield from self.send([(step, right)], self.phrase("correcting")))

    def _do_twice(self, step: PlanStep) -> Generator[Message, Heard, str | None]:
        """Make a call, and the very same again."""
        stopped = yield from super().do([step])
        if stopped is not None:
            return stopped
        first = self.results[step.key]
        yield from self.send([(step, self.arguments(step))], None)
        if self.results[step.key] != first:  # else it was refused, or what it does is the same however often it is done
            self._label()
            self.results[step.key] = first
        return None

    def _once_more(self) -> Generator[Message, Heard, None]:
        """A write that nobody asked for: one of the plan's again, for something else."""
        tried = 0
        for step in self.rng.shuffled([s for s in own_writes(self.plan.steps) if s.key in self.results]):
            right, tool = self.arguments(step), self.agent.compiled.tools[step.tool].spec
            ways = wrong_entities(tool, right, self.results, (), self.rng)
            ways += wrong_values(tool, right, self.results, (), self.rng)
            for other in ways:
                if (step.tool, other) in self._made or tried == MOST_EXTRA:
                    continue
                tried += 1
                kept = dict(self.results)
                refused = yield from self.send([(step, other)], None)
                self.results = kept
                if refused is None:
                    self._label()
                    return

    def _lacks(self, step: PlanStep) -> bool:
        """Whether something that this call needs is not there."""
        try:
            super().arguments(step)
        except (KeyError, BadInput):
            return True
        return False

    # ------------------------------------------------------------ answers

    def _misreports(self) -> Iterator[str]:
        """Reports in which one answer is told wrong, and the right one was not and is not told anywhere."""
        heard = str([self.told, self.results])
        known = self.known()
        for label in self.rng.shuffled(self.goal.answers):
            name, *path = label.split(".")
            try:
                value = look_up(Source(by="seen", name=name, path=_path(path)), {}, known)
            except KeyError:
                continue
            if was_said(value, self.agent.said, self.agent.today):
                continue
            for other in other_answer(label.rpartition(".")[2], value, self.results, heard, self.rng):
                changed = _with(known, name, _path(path), other)
                for template in self.rng.shuffled(self.goal.says.report):
                    try:
                        text = self.rendered(template, changed)
                        if text != self.rendered(template, known) and not was_said(value, [text], self.agent.today):
                            yield " ".join([text, *self.learned])
                    except BadInput:
                        continue

    def _guessed_report(self) -> str:
        """A report as if all had been looked up: what was not is made up."""
        known, made_up = self.known(), []
        for label in self.goal.answers:
            name, *path = label.split(".")
            try:
                look_up(Source(by="seen", name=name, path=_path(path)), {}, known)
            except KeyError:
                value = guess(label.rpartition(".")[2], {}, self.agent.today, self.rng)
                if value is not None:
                    made_up.append(self._spoken(label, value))
                    known = _with(known, name, _path(path), value)
        for template in self.rng.shuffled(self.goal.says.report):
            try:
                return self.rendered(template, known)
            except BadInput:
                continue
        return self.phrase("guesses", value=" and ".join(made_up)) if made_up else self.phrase("claims")

    def _spoken(self, label: str, value: Any) -> str:
        if label.endswith("_cents"):
            return say_money(value, self.currency)
        if isinstance(value, str) and value[4:5] == value[7:8] == "-":
            return say_day(value, "day_month", self.agent.today)
        return str(value)


def _path(parts: Sequence[str]) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _with(known: dict[str, Any], name: str, path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """What is known, with another value at one place, which need not have been there."""
    if not path:
        return {**known, name: value}
    inner = deepcopy(known.get(name))
    place = inner = inner if isinstance(inner, (dict, list)) else {}
    for part in path[:-1]:
        following = place[part] if isinstance(place, list) or part in place else {}  # type: ignore[index]
        place[part] = following  # type: ignore[index]
        place = following
    place[path[-1]] = value  # type: ignore[index]
    return {**known, name: inner}
