"""One goal's work, as a careful human would do it: look up, ask, confirm, act, report.

A plan is followed call by call; every value is looked up in what was told and seen. What happens when a call meets
trouble is in `recovery`; how the same work is done with a mistake in it, in `erring`, which overrides single moves.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from engine.types import Message
from pipeline.errors import BadInput
from pipeline.reading import reader
from pipeline.rollout.recovery import Trouble, made_good, trouble
from pipeline.sources import fill, look_up, seen_in, told_in
from pipeline.types import Goal, Plan, PlanStep
from pipeline.wording import render

if TYPE_CHECKING:
    from pipeline.rollout.expert import ExpertAgent

SPEAKS = 0.4  # chance of a word beside the first calls of a goal
DECLINED = ("refuse", "irrelevant")  # kinds in which the right answer is a no

Heard = Sequence[Message]  # what came since the last message: the user's reply, or the results of calls


class GoalWork:
    """The work on one goal: what was told and seen of it, and the plan that is followed."""

    def __init__(self, agent: ExpertAgent, goal: Goal) -> None:
        self.agent, self.goal, self.rng = agent, goal, agent.rng
        self.plan: Plan = self.rng.choice(goal.plans)
        self.told: dict[str, Any] = dict(agent.person)
        self.results: dict[str, Any] = {}
        self.learned: list[str] = []  # what happened on the way and belongs into the report
        self.partly_known = False  # a write took effect, and not all of what it returned can be looked up
        self.unsettled = False  # nothing shows whether a write took effect
        self._confirmed = False
        self._spoke = False

    def work(self, heard: Heard) -> Generator[Message, Heard, Heard]:
        """From the user's request to the last word on it; gives back what was heard then."""
        self._listen(heard)
        steps, done = self.steps(), 0
        if self.agent.asks_first:
            yield from self._ask(self._facts(steps))
        while done < len(steps):
            step = steps[done]
            yield from self._ask(self._facts(steps[done:] if step.confirm else [step]))
            if step.actor == "user":
                yield from self._have_done(step)
                done += 1
                continue
            if step.confirm and not self._confirmed:
                heard = yield from self.propose(step)
                if self._changed_mind(heard):
                    steps, done, self.results = self.steps(), 0, {}
                    continue
                self._confirmed = True
            batch = self._batch(steps, done)
            stopped = yield from self.do(batch)
            if stopped is not None:
                heard = yield self.agent.say(stopped)
                return heard
            done += len(batch)
        return (yield from self.close())

    # ------------------------------------------------------------ the moves

    def steps(self) -> list[PlanStep]:
        """The calls to be made, in order."""
        return list(self.plan.steps)

    def propose(self, step: PlanStep) -> Generator[Message, Heard, Heard]:
        """Say what is about to be done, and wait for the user's word. `step`: the first call that needs it."""
        heard = yield self.agent.say(self.wording(self.goal.says.propose, "proposing"))
        return heard

    def do(self, batch: Sequence[PlanStep]) -> Generator[Message, Heard, str | None]:
        """Make the calls of a batch and take their results; else what to tell the user of why it stops here."""
        todo: list[tuple[PlanStep, dict[str, Any]]] = []
        for step in batch:
            try:
                arguments = self.arguments(step)
            except KeyError as unknown:
                if self.partly_known:
                    return self.phrase("stuck")
                return f"I could not find {str(unknown.args[0]).replace('.', ' ').replace('_', ' ')}."
            earlier = None if step.writes else self.agent.known(step.tool, arguments)
            if earlier is None:
                todo.append((step, arguments))
            else:
                self.results[step.key] = earlier
        return (yield from self.send(todo, self._aside())) if todo else None

    def close(self) -> Generator[Message, Heard, Heard]:
        """The last word: a report, or a no."""
        if self.goal.kind in DECLINED:
            return (yield from self._decline())
        heard = yield self.agent.say(self.report())
        return heard

    def report(self) -> str:
        """What was done or found, and what happened on the way where it matters."""
        otherwise = "details_lost" if self.partly_known else "claims"
        return " ".join([self.wording(self.goal.says.report, otherwise), *self.learned])

    # ------------------------------------------------------------ listening and speaking

    def _listen(self, heard: Heard) -> None:
        """Take the facts of a user's message: the phrasing that fits it best says where they stand."""
        text = " ".join(m.content or "" for m in heard if m.role == "user")
        best: dict[str, Any] = {}
        for template in self.goal.templates:
            found = reader(template).read(text, self.agent.today)
            if found is not None and len(found) > len(best):
                best = found
        for asked in self.goal.asked.values():
            for template in asked.tell.get(self.agent.language) or asked.tell["en"]:
                found = reader(template).read(text, self.agent.today)
                best = {**(found or {}), **best}
        self.told.update({name: value for name, value in best.items() if name in self.goal.facts})
        person = self.agent.compiled.domain.person
        if person in self.told:
            self.agent.person = {person: self.told[person]}

    def _changed_mind(self, heard: Heard) -> bool:
        """Whether the user, asked for their word, wants something else; then that is what they want."""
        text = " ".join(m.content or "" for m in heard if m.role == "user")
        for template in self.goal.reversal.templates if self.goal.reversal is not None else ():
            found = reader(template).read(text, self.agent.today)
            if found is not None and any(self.told.get(name) != value for name, value in found.items()):
                self.told.update(found)
                return True
        return False

    def _have_done(self, step: PlanStep) -> Generator[Message, Heard, None]:
        """Have the user do something with a tool of their own, and take what they tell of it for its result."""
        tool = self.agent.compiled.tools[step.tool].spec
        assert tool.asked is not None
        language, arguments = self.agent.language, self.arguments(step)
        ways = self.rng.shuffled(tool.asked.ask.get(language) or tool.asked.ask["en"])
        for way in (ways * 2)[:2]:
            heard = yield self.agent.say(render(way, {**self.told, **arguments}, loops=True))
            text = " ".join(m.content or "" for m in heard if m.role == "user")
            for template in tool.asked.tell.get(language) or tool.asked.tell["en"]:
                found = reader(template).read(text, self.agent.today)
                if found is not None:
                    self.results[step.key] = found
                    self.agent.saw(step.tool, arguments, found)
                    return

    def _ask(self, facts: Sequence[str]) -> Generator[Message, Heard, None]:
        """Ask for what is missing, all at once; a second time if the answer was not understood."""
        for _ in range(2):
            missing = [name for name in facts if name not in self.told and name in self.goal.asked]
            if not missing:
                return
            language = self.agent.language
            ways = [self.goal.asked[name].ask for name in missing]
            parts = [self.phrase("asking"), *(self.rng.choice(w.get(language) or w["en"]) for w in ways)]
            heard = yield self.agent.say(" ".join(part for part in parts if part))
            self._listen(heard)

    def _decline(self) -> Generator[Message, Heard, Heard]:
        """Say no and why; and once more, in other words, when the user insists."""
        words = self.rng.shuffled(self.goal.says.decline)
        yield self.agent.say(self.wording(words[:1], "refused"))
        heard = yield self.agent.say(self.wording(words[1:] or words, "refused"))
        return heard

    def wording(self, templates: Sequence[str], otherwise: str) -> str:
        """One of the domain's wordings, filled with what is known; a bare line where something is not known."""
        values = self.known()
        for template in self.rng.shuffled(templates):
            try:
                return self.rendered(template, values)
            except BadInput:
                continue
        return self.phrase(otherwise)

    def known(self) -> dict[str, Any]:
        """What wordings may speak of, by name."""
        values = {**self.told, **self.results}
        for name, source in self.plan.finds.items():
            try:
                values[name] = look_up(source, self.told, self.results)
            except KeyError:
                continue
        return values

    def rendered(self, template: str, values: Mapping[str, Any]) -> str:
        """A wording with these values. Raises BadInput when one is missing."""
        return render(template, values, today=self.agent.today, loops=True, currency=self.currency)

    def phrase(self, name: str, **values: Any) -> str:
        """One of the expert's own phrases of this name."""
        text = self.rng.choice(self.agent.phrases[name])
        return render(text, values) if values else text

    # ------------------------------------------------------------ what a call needs

    @property
    def currency(self) -> str:
        return self.agent.compiled.domain.currency

    def parameters(self, tool: str) -> dict[str, dict[str, Any]]:
        return self.agent.compiled.tools[tool].spec.parameters

    def arguments(self, step: PlanStep) -> dict[str, Any]:
        """A step's arguments from what was told and seen. Raises KeyError when one is not known."""
        return fill(step.arguments, self.parameters(step.tool), self.told, self.results, self.currency)

    def _facts(self, steps: Sequence[PlanStep]) -> list[str]:
        """The facts that these steps and what is said about them need, in order."""
        names: dict[str, None] = {}
        for step in steps:
            for source in step.arguments.values():
                names.update(dict.fromkeys(told_in(source, self.goal.facts)))
        return list(names)

    def uses(self, step: PlanStep, lost: set[str]) -> bool:
        """Whether a step needs a result that will not come; if so its own will not come either."""
        needs = {n for s in step.arguments.values() for n in seen_in(s)}
        if needs & lost:
            lost.add(step.key)
            return True
        return False

    def _batch(self, steps: Sequence[PlanStep], at: int) -> list[PlanStep]:
        """The step, and with it the look-ups that can go out beside it."""
        batch = [steps[at]]
        if not self.agent.parallel or steps[at].writes:
            return batch
        for step in steps[at + 1 :]:
            lost = {s.key for s in batch}
            if (
                step.writes
                or step.actor == "user"
                or self.uses(step, lost)
                or any(f not in self.told for f in self._facts([step]))
            ):
                break
            batch.append(step)
        return batch

    # ------------------------------------------------------------ calling

    def send(
        self, todo: Sequence[tuple[PlanStep, dict[str, Any]]], text: str | None
    ) -> Generator[Message, Heard, str | None]:
        """Make calls in one message and bring each to its end; else what to tell the user of the first that failed."""
        heard = yield self.agent.call([(step.tool, arguments) for step, arguments in todo], text)
        stopped: list[str] = []
        met: list[tuple[PlanStep, dict[str, Any], Trouble]] = []
        for (step, arguments), message in zip(todo, heard, strict=True):
            result = orjson.loads(message.content or "null")
            if (what := trouble(result)) is not None:
                met.append((step, arguments, what))
            elif (refused := self.took(step, arguments, result)) is not None:
                stopped.append(refused)
        for step, arguments, what in met:
            if (failed := (yield from self.mend(step, arguments, what))) is not None:
                stopped.append(failed)
        return stopped[0] if stopped else None

    def one(self, tool: str, arguments: dict[str, Any] | str, text: str | None) -> Generator[Message, Heard, Any]:
        """Make one call and give back what the tool said. `arguments` as text: just as they stand."""
        heard = yield self.agent.call([(tool, arguments)], text)
        return orjson.loads(heard[0].content or "null")

    def took(self, step: PlanStep, arguments: dict[str, Any], result: Any) -> str | None:
        """Take a call's result; or, of a refusal, what to tell the user."""
        if isinstance(result, dict) and set(result) == {"error"}:
            return self.phrase("refused", error=result["error"])
        self.results[step.key] = result
        self.agent.saw(step.tool, arguments, result)
        return None

    def mend(self, step: PlanStep, arguments: dict[str, Any], met: Trouble) -> Generator[Message, Heard, str | None]:
        """Bring a call that met trouble to its end; else what to tell the user."""
        return (yield from made_good(self, step, arguments, met))

    def _aside(self) -> str | None:
        """A word beside the first calls of a goal, now and then."""
        if self._spoke:
            return None
        self._spoke = True
        return self.phrase("looking") if self.rng.chance(SPEAKS) else None
