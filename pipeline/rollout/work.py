"""One goal's work, as a careful human would do it: look up, ask, confirm, act, report.

A plan is followed call by call; every value is looked up in what was told and seen. With a planned mistake the work
strays once, where the mistake says; its label stands only if the altered action was taken and not corrected.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from engine.types import Message
from pipeline.errors import BadInput
from pipeline.reading import reader
from pipeline.rollout.mistakes import Slip, spoiled
from pipeline.sources import fit, look_up, seen_in, told_in
from pipeline.types import Goal, Mistake, Plan, PlanStep
from pipeline.wording import render

if TYPE_CHECKING:
    from pipeline.rollout.expert import ExpertAgent

SPEAKS = 0.4  # chance of a word beside the first calls of a goal

Heard = Sequence[Message]  # what came since the last message: the user's reply, or the results of calls


class GoalWork:
    """The work on one goal: what was told and seen of it, and the plan that is followed."""

    def __init__(self, agent: ExpertAgent, goal: Goal, slip: Slip | None) -> None:
        self._agent, self._goal, self._slip = agent, goal, slip
        self._rng = agent.rng
        self._plan: Plan = self._rng.choice(goal.plans)
        self._told: dict[str, Any] = dict(agent.person)
        self._results: dict[str, Any] = {}
        self._confirmed = False
        self._spoke = False

    def work(self, heard: Heard) -> Generator[Message, Heard, Heard]:
        self._listen(heard)
        steps = list(self._plan.steps)
        if self._agent.asks_first:
            yield from self._ask(self._facts(steps))
        done = 0
        while done < len(steps):
            step = steps[done]
            if self._slips("premature_done", step.writes):
                heard = yield self._claim()
                return heard
            if self._slips("missing_write", step.writes and done == self._slip_step(steps)):
                lost = {step.key}
                steps = [s for s in steps[:done] + steps[done + 1 :] if not self._uses(s, lost)]
                self._agent.taken.append("missing_write")
                continue
            yield from self._ask(self._facts(steps[done:] if step.confirm else [step]))
            if step.actor == "user":
                yield from self._have_done(step)
                done += 1
                continue
            if step.confirm and not self._confirmed:
                heard = yield self._agent.say(self._wording(self._goal.says.propose, "proposing"))
                if self._changed_mind(heard):
                    steps, done, self._results = list(self._plan.steps), 0, {}
                    continue
                self._confirmed = True
            batch = self._batch(steps, done)
            refused = yield from self._do(batch, wrong=done == self._slip_step(steps))
            if refused is not None:
                line = render(self._rng.choice(self._agent.phrases["refused"]), {"error": refused})
                heard = yield self._agent.say(line)
                return heard
            done += len(batch)
        if self._slip is not None and self._slip.kind == "extra_write":
            yield from self._once_more()
        if self._goal.kind in ("refuse", "irrelevant"):
            return (yield from self._decline())
        if self._slips("premature_done", self._slip is not None and not any(s.writes for s in steps)):
            heard = yield self._claim()
            return heard
        heard = yield self._agent.say(self._wording(self._goal.says.report, "claims"))
        return heard

    # ------------------------------------------------------------ listening and speaking

    def _listen(self, heard: Heard) -> None:
        """Take the facts of a user's message: the phrasing that fits it best says where they stand."""
        text = " ".join(m.content or "" for m in heard if m.role == "user")
        best: dict[str, Any] = {}
        for template in self._goal.templates:
            found = reader(template).read(text, self._agent.today)
            if found is not None and len(found) > len(best):
                best = found
        for asked in self._goal.asked.values():
            for template in asked.tell.get(self._agent.language) or asked.tell["en"]:
                found = reader(template).read(text, self._agent.today)
                best = {**(found or {}), **best}
        self._told.update({name: value for name, value in best.items() if name in self._goal.facts})
        person = self._agent.compiled.domain.person
        if person in self._told:
            self._agent.person = {person: self._told[person]}

    def _changed_mind(self, heard: Heard) -> bool:
        """Whether the user, asked for their word, wants something else; then that is what they want."""
        text = " ".join(m.content or "" for m in heard if m.role == "user")
        for template in self._goal.reversal.templates if self._goal.reversal is not None else ():
            found = reader(template).read(text, self._agent.today)
            if found is not None and any(self._told.get(name) != value for name, value in found.items()):
                self._told.update(found)
                return True
        return False

    def _have_done(self, step: PlanStep) -> Generator[Message, Heard, None]:
        """Have the user do something with a tool of their own, and take what they tell of it for its result."""
        tool = self._agent.compiled.tools[step.tool].spec
        assert tool.asked is not None
        language, arguments = self._agent.language, self._arguments(step)
        ways = self._rng.shuffled(tool.asked.ask.get(language) or tool.asked.ask["en"])
        for way in (ways * 2)[:2]:
            heard = yield self._agent.say(render(way, {**self._told, **arguments}, loops=True))
            text = " ".join(m.content or "" for m in heard if m.role == "user")
            for template in tool.asked.tell.get(language) or tool.asked.tell["en"]:
                found = reader(template).read(text, self._agent.today)
                if found is not None:
                    self._results[step.key] = found
                    self._agent.saw(step.tool, arguments, found)
                    return

    def _ask(self, facts: Sequence[str]) -> Generator[Message, Heard, None]:
        """Ask for what is missing, all at once; a second time if the answer was not understood."""
        for _ in range(2):
            missing = [name for name in facts if name not in self._told and name in self._goal.asked]
            if not missing:
                return
            language = self._agent.language
            ways = [self._goal.asked[name].ask for name in missing]
            parts = [
                self._rng.choice(self._agent.phrases["asking"]),
                *(self._rng.choice(w.get(language) or w["en"]) for w in ways),
            ]
            heard = yield self._agent.say(" ".join(part for part in parts if part))
            self._listen(heard)

    def _wording(self, templates: Sequence[str], otherwise: str) -> str:
        """One of the domain's wordings, filled with what is known; a bare line where something is not known."""
        values = {**self._told, **self._results}
        for name, source in self._plan.finds.items():
            try:
                values[name] = look_up(source, self._told, self._results)
            except KeyError:
                continue
        for template in self._rng.shuffled(templates):
            try:
                return render(
                    template,
                    values,
                    today=self._agent.today,
                    loops=True,
                    currency=self._agent.compiled.domain.currency,
                )
            except BadInput:
                continue
        return self._rng.choice(self._agent.phrases[otherwise])

    def _claim(self) -> Message:
        self._agent.taken.append("premature_done")
        return self._agent.say(self._rng.choice(self._agent.phrases["claims"]))

    def _decline(self) -> Generator[Message, Heard, Heard]:
        """Say no and why; and once more, in other words, when the user insists."""
        words = self._rng.shuffled(self._goal.says.decline)
        yield self._agent.say(self._wording(words[:1], "refused"))
        heard = yield self._agent.say(self._wording(words[1:] or words, "refused"))
        return heard

    # ------------------------------------------------------------ acting

    def _facts(self, steps: Sequence[PlanStep]) -> list[str]:
        """The facts that these steps and what is said about them need, in order."""
        names: dict[str, None] = {}
        for step in steps:
            for source in step.arguments.values():
                names.update(dict.fromkeys(told_in(source, self._goal.facts)))
        return list(names)

    def _uses(self, step: PlanStep, lost: set[str]) -> bool:
        """Whether a step needs a result that will not come; if so its own will not come either."""
        needs = {n for s in step.arguments.values() for n in seen_in(s)}
        if needs & lost:
            lost.add(step.key)
            return True
        return False

    def _batch(self, steps: Sequence[PlanStep], at: int) -> list[PlanStep]:
        """The step, and with it the look-ups that can go out beside it."""
        batch = [steps[at]]
        if not self._agent.parallel or steps[at].writes:
            return batch
        for step in steps[at + 1 :]:
            lost = {s.key for s in batch}
            if (
                step.writes
                or step.actor == "user"
                or self._uses(step, lost)
                or any(f not in self._told for f in self._facts([step]))
            ):
                break
            batch.append(step)
        return batch

    def _arguments(self, step: PlanStep) -> dict[str, Any]:
        """A step's arguments from what was told and seen. Raises KeyError when one is not known."""
        parameters = self._agent.compiled.tools[step.tool].spec.parameters
        values = {}
        for name in parameters:
            if name not in step.arguments:
                continue
            source = step.arguments[name]
            if source.by == "text":
                known = {**self._told, **self._results}
                value: Any = render(source.value, known, currency=self._agent.compiled.domain.currency)
            else:
                value = look_up(source, self._told, self._results)
            values[name] = fit(value, parameters[name])
        return values

    def _do(self, batch: Sequence[PlanStep], *, wrong: bool) -> Generator[Message, Heard, str | None]:
        """Make the calls of a batch; None, or what keeps it from going on: an error, a value not to be found."""
        todo: list[tuple[PlanStep, dict[str, Any]]] = []
        for step in batch:
            try:
                arguments = self._arguments(step)
            except KeyError as unknown:
                return f"I could not find {str(unknown.args[0]).replace('.', ' ').replace('_', ' ')}."
            earlier = None if step.writes else self._agent.known(step.tool, arguments)
            if earlier is None:
                todo.append((step, arguments))
            else:
                self._results[step.key] = earlier
        if wrong and self._slip is not None and self._slip.kind == "wrong_argument":
            for step, arguments in todo:
                altered = spoiled(self._agent.compiled.tools[step.tool].spec, arguments, self._results, self._rng)
                if not altered:  # nothing plausible to take instead: the next write may have something
                    self._slip = self._slip._replace(point=self._slip.point + 1)
                for other in altered[:1]:
                    error = yield from self._send([(step, other)], None)
                    if error is None:
                        self._agent.taken.append("wrong_argument")
                        return None
                    line = self._rng.choice(self._agent.phrases["correcting"])
                    return (yield from self._send([(step, arguments)], line))
        if not todo:
            return None
        return (yield from self._send(todo, self._aside()))

    def _aside(self) -> str | None:
        """A word beside the first calls of a goal, now and then."""
        if self._spoke:
            return None
        self._spoke = True
        return self._rng.choice(self._agent.phrases["looking"]) if self._rng.chance(SPEAKS) else None

    def _send(
        self, todo: Sequence[tuple[PlanStep, dict[str, Any]]], text: str | None
    ) -> Generator[Message, Heard, str | None]:
        """Make calls and take their results; the first error, or None."""
        heard = yield self._agent.call([(step.tool, arguments) for step, arguments in todo], text)
        refused = None
        for (step, arguments), message in zip(todo, heard, strict=True):
            result = orjson.loads(message.content or "null")
            if isinstance(result, dict) and set(result) == {"error"}:
                refused = refused or str(result["error"])
                continue
            self._results[step.key] = result
            self._agent.saw(step.tool, arguments, result)
        return refused

    # ------------------------------------------------------------ erring on purpose

    def _slips(self, kind: Mistake, here: bool) -> bool:
        return here and self._slip is not None and self._slip.kind == kind and not self._agent.taken

    def _slip_step(self, steps: Sequence[PlanStep]) -> int:
        """The write at which the mistake is due; -1 when there is none (left)."""
        writes = [i for i, step in enumerate(steps) if step.writes]
        if self._slip is None or not writes or self._agent.taken:
            return -1
        return writes[self._slip.point % len(writes)]

    def _once_more(self) -> Generator[Message, Heard, None]:
        """A write that nobody asked for: one of the plan's again, for something else."""
        writes = [step for step in self._plan.steps if step.writes and step.key in self._results]
        for step in self._rng.shuffled(writes):
            arguments = self._arguments(step)
            spec = self._agent.compiled.tools[step.tool].spec
            for other in (*spoiled(spec, arguments, self._results, self._rng)[:1], arguments):
                before = dict(self._results)
                refused = yield from self._send([(step, other)], None)
                self._results = before
                if refused is None:
                    self._agent.taken.append("extra_write")
                    return
