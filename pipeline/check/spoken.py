"""Rung `spoken`: whatever a domain gives people to say can be said, and is taken for what it is.

Every wording is rendered with what is known when it is due, for real draws: one that can never be said would leave the
agent with a bare line, or drop the task. A proposal must be heard as a question for the user's word, a refusal as a no,
a report must tell every required answer, and a question must be heard as being about the fact, or the user's own tool,
that it is meant for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.check.trials import Run, Trial
from pipeline.errors import BadInput
from pipeline.judging.communicated import communicated
from pipeline.judging.speech import asks, declines
from pipeline.rollout.user import asks_for, is_proposal, is_refusal, tools_meant
from pipeline.sources import look_up
from pipeline.tasks.outcome import GoalRun
from pipeline.tasks.synthesize import JOINED
from pipeline.types import Answer
from pipeline.wording import names_in, render

RUNG = "spoken"
HEARD = 2  # draws of a plan whose words are also listened to
DECLINED = ("refuse", "irrelevant")


class _Said:
    """What came of the wordings of one intent: which could be said at least once, and what is wrong with others."""

    def __init__(self) -> None:
        self.could: set[tuple[str | int, ...]] = set()
        self.wrong: dict[tuple[str | int, ...], tuple[str, str]] = {}  # path → what, remedy; the first problem of each
        self.failed: dict[tuple[str | int, ...], str] = {}


def spoken(subject: Subject) -> Found:
    """All that the expert and the user say of each intent, rendered for its draws."""
    refusals: list[Refusal] = []
    count = 0
    for i, intent in enumerate(subject.domain.intents):
        said = _Said()
        heard: Counter[str] = Counter()
        for trial in subject.trials:
            for run in trial.runs if trial.number == i else ():
                if run.run is not None:
                    heard[run.plan] += 1
                    _says(subject, trial, run, run.run, said, hear=heard[run.plan] <= HEARD)
        for name, asked in intent.asked.items():
            for k, text in enumerate(asked.ask.get("en", ())):
                if not asks_for(asked.about, text):
                    what = f"{text!r} is not heard as a question about {name}"
                    said.wrong["asked", name, "ask", "en", k] = what, _heard_by(asked.about)
        for path, error in said.failed.items():
            if path not in said.could:
                said.wrong.setdefault(path, (f"it can never be said: {error}", "Use what is told or seen by then."))
        for path, (what, remedy) in said.wrong.items():
            refusals.append(Refusal(subject.at("intents.yaml", i, *path), RUNG, f"{intent.name}: {what}", remedy))
        count += len(said.could)
    refusals += _nobody(subject)
    refusals += _instructions(subject)
    return Found(f"{count} wordings said", refusals)


def _heard_by(about: tuple[str, ...]) -> str:
    return f"Let a question of it hold one of the words of `about:`: {', '.join(about)}."


def _says(subject: Subject, trial: Trial, run: Run, goal: GoalRun, said: _Said, *, hear: bool) -> None:
    """Every wording that an expert may use on one plan, with what it knows by then; `hear`: how it is taken, too."""
    intent, today, currency = trial.intent, trial.drawer.world.today, subject.domain.currency
    results = goal.grounding.results
    steps = goal.plan.steps
    first = next((k for k, step in enumerate(steps) if step.confirm), None)
    seen = {step.key: results[step.key] for step in steps[:first] if step.key in results}
    for language, says in intent.says.items():
        due: dict[str, Mapping[str, Any]] = {}
        if first is not None:
            due["propose"] = _known(goal, seen)
        due["decline" if intent.kind in DECLINED else "report"] = _known(goal, results)
        texts: dict[str, dict[int, str]] = {part: {} for part in due}
        for part, known in due.items():
            problem = ""
            for k, template in enumerate(getattr(says, part)):
                path = ("says", language, part, k)
                try:
                    texts[part][k] = render(template, known, today=today, currency=currency, loops=True)
                except BadInput as error:
                    problem = said.failed[path] = error.what
                else:
                    said.could.add(path)
            if problem and not texts[part]:
                what = f"in a draw, nothing of it can be said of the plan {run.plan}: {problem}"
                said.wrong.setdefault(("says", language, part), (what, "Write one that can always be said."))
        if not hear:
            continue
        for part, spoken_ in texts.items():
            for k, text in spoken_.items():
                problem = _mistaken(part, text) if language == "en" else ""
                if problem:
                    said.wrong.setdefault(("says", language, part, k), (f"{text!r} {problem}", "Say it more plainly."))
        _answers(goal, texts, language, said)


def _known(goal: GoalRun, results: Mapping[str, Any]) -> dict[str, Any]:
    """The names that wording may use, for one who has seen these results."""
    told = goal.grounding.told
    known = {**told, **results}
    for name, source in goal.plan.finds.items():
        with suppress(KeyError):
            known[name] = look_up(source, told, results)
    return known


def _mistaken(part: str, text: str) -> str:
    """How a wording is taken for something else; "" when it is not."""
    if part == "propose" and not (asks(text) and is_proposal(text)):
        return "is not heard as a question for the user's word"
    if part == "decline" and not (declines(text) and is_refusal(text)):
        return "is not heard as a no"
    if part == "report" and is_proposal(text):
        return "is heard as a question for the user's word, and it is a report"
    return ""


def _answers(goal: GoalRun, texts: Mapping[str, Mapping[int, str]], language: str, said: _Said) -> None:
    """Every required answer is in every report (or in every proposal before it)."""
    proposals = list(texts.get("propose", {}).values())
    for k, text in texts.get("report", {}).items():
        for label, value, _ in goal.answers:
            if not isinstance(value, (str, int)):
                continue
            answer = Answer(label=label, value=value, money=label.endswith("_cents"))
            before = bool(proposals) and all(communicated(answer, proposal) for proposal in proposals)
            if not before and not communicated(answer, text):
                what = f"{text!r} does not tell the answer {label} ({value!r})"
                said.wrong.setdefault(("says", language, "report", k), (what, f"Put ${label} into it."))


def _nobody(subject: Subject) -> Iterator[Refusal]:
    """Somebody can come first in a conversation of several requests: who says who they are, where tools ask for it."""
    person = subject.domain.person
    if person is None or not any(person in tool.parameters for tool in subject.domain.tools):
        return
    able = [intent for intent in subject.domain.intents if intent.kind in JOINED]
    if len(able) > 1 and not any(intent.facts.get(person) == "opening" for intent in able):
        what = f"no request tells {person} in its opening, and every request after another takes it as known"
        yield Refusal(
            subject.at("domain.yaml", "person"), RUNG, what, f"Tell it in some: facts: {{{person}: opening}}."
        )


def _instructions(subject: Subject) -> Iterator[Refusal]:
    """What an agent asks a user to do with their own tools is heard so, and not as something else."""
    hands = [tool for tool in subject.domain.tools if tool.asked is not None]
    for i, tool in enumerate(subject.domain.tools):
        asked = tool.asked
        if asked is None:
            continue
        arguments = dict.fromkeys(tool.required, "…")
        for k, way in enumerate(asked.ask.get("en", ())):
            where = subject.at("tools.yaml", i, "asked", "ask", "en", k)
            try:
                text = render(way, arguments, loops=True) if names_in(way) else way
            except BadInput:
                continue  # a filter wants a real value: the plans that call it are rendered with theirs
            meant = [other.name for other, _ in tools_meant(hands, text)]
            if meant != [tool.name]:
                heard = " and ".join(meant) or "nothing"
                what = f"{tool.name}: {text!r} makes the user do {heard}"
                yield Refusal(where, RUNG, what, _heard_by(asked.about))
