"""Rung `readable`: what users say gives back its facts, however they write a date and whatever they say around it.

An expert reads a user's message by inverting the templates that the intent has, so a story in which another template
fits better, or a slot swallows its neighbour, would make a careful agent fail for no fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pipeline.check.examples import ROWS_DRAWN, call, tries
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.check.trials import Trial
from pipeline.domain import Tool
from pipeline.errors import BadInput
from pipeline.identity import Rng
from pipeline.reading import reader
from pipeline.tasks.personas import load_personas
from pipeline.types import Cell, Persona
from pipeline.wording import render

RUNG = "readable"
_REMEDY = "Put words around the slots that no value holds; use | day, | clock, | money, | count."
STYLES = ("iso", "day_month", "month_day", "weekday")


def readable(subject: Subject) -> Found:
    """Every text of the user's, with drawn values, in every style."""
    refusals: dict[str, Refusal] = {refusal.where: refusal for refusal in _tells(subject)}
    personas = load_personas()
    rng = subject.rng("readable")
    count = 0
    for n, trial in enumerate(subject.trials):
        if trial.drawn is None:
            continue
        styles = STYLES[:2] if n % 2 else STYLES[2:]  # the next draw of the intent is told in the others
        for path, text, others, told in _texts(trial):
            where = subject.at("intents.yaml", trial.number, *path)
            for style in styles:
                count += 1
                if where not in refusals:
                    speaker = _speaker(personas, style, rng)
                    problem = _misread(subject, trial, text, others, told, style, speaker, rng)
                    if problem:
                        refusals[where] = Refusal(where, RUNG, f"{trial.intent.name}: {problem}", _REMEDY)
    return Found(f"{count} texts read back", list(refusals.values()))


def _texts(trial: Trial) -> list[tuple[tuple[str | int, ...], str, tuple[str, ...], dict[str, Cell]]]:
    """(path, template, the templates by which an agent would try to read it, what is told) of all that may be said."""
    assert trial.drawn is not None
    intent, told = trial.intent, trial.drawn.told()
    out: list[tuple[tuple[str | int, ...], str, tuple[str, ...], dict[str, Cell]]] = []
    for language, phrasings in intent.phrasings.items():
        followups = intent.followups.get(language, ())
        templates = (*phrasings, *followups)
        out += [(("phrasings", language, k), text, templates, told) for k, text in enumerate(phrasings)]
        out += [(("followups", language, k), text, templates, told) for k, text in enumerate(followups)]
        for name, asked in intent.asked.items():
            tells = asked.tell.get(language) or asked.tell["en"]
            out += [(("asked", name, "tell", language, k), text, tells, told) for k, text in enumerate(tells)]
        if intent.change_of_mind is not None and trial.first is not None:
            ways = intent.change_of_mind.says.get(language) or intent.change_of_mind.says["en"]
            out += [(("change_of_mind", "says", language, k), text, ways, told) for k, text in enumerate(ways)]
            first = {**told, **trial.first}
            out += [(("phrasings", language, k), text, templates, first) for k, text in enumerate(phrasings)]
    return out


def _tells(subject: Subject) -> Iterator[Refusal]:
    """What users tell of their own tools gives back what these show, by the first way of telling that seems to fit."""
    for i, tool in enumerate(subject.domain.tools):
        for language, ways in (tool.asked.tell if tool.asked is not None else {}).items():
            for k, text in enumerate(ways):
                problem = _mistold(subject, i, tool, text, ways)
                if problem is not None:
                    where = subject.at("tools.yaml", i, "asked", "tell", language, k)
                    yield Refusal(where, RUNG, f"{tool.name}: {problem}", _REMEDY)


def _mistold(subject: Subject, i: int, tool: Tool, text: str, ways: Sequence[str]) -> str | None:
    for n, example in enumerate(tool.examples):
        for case in tries(subject, tool, example, (i, n), ROWS_DRAWN) if example.expect == "ok" else ():
            outcome, _ = call(case.drawer.world, tool, case.arguments)
            shown = orjson.loads(outcome.result or "{}")
            today, currency = case.drawer.world.today, subject.domain.currency
            for style in STYLES:
                try:
                    said = render(text, shown, style=style, today=today, currency=currency)
                except BadInput as error:
                    return error.what
                found = next((read for way in ways if (read := reader(way).read(said, today)) is not None), {})
                for name, _ in reader(text).slots:
                    if str(found.get(name)) != str(shown[name]):
                        return f"{said!r} is read as {name}={found.get(name)!r}; it is {shown[name]!r}"
    return None


def _speaker(personas: tuple[Persona, ...], style: str, rng: Rng) -> Persona:
    return rng.choice([persona for persona in personas if persona.dates == style] or personas)


def _misread(
    subject: Subject,
    trial: Trial,
    text: str,
    others: tuple[str, ...],
    told: Mapping[str, Cell],
    style: str,
    persona: Persona,
    rng: Rng,
) -> str | None:
    """What goes wrong when this is said and read; None when it gives back its facts."""
    today = trial.drawer.world.today
    try:
        said = render(text, told, style=style, today=today, currency=subject.domain.currency)
    except BadInput as error:
        return error.what
    whole = " ".join(part for part in (rng.choice(persona.greetings), said, rng.choice(persona.asides)) if part)
    for around in (said, whole):
        readings = [found for template in others if (found := reader(template).read(around, today)) is not None]
        if around is whole and not any(_right(found, told) for found in readings):
            continue  # a greeting that looks like a fact: the task maker tells such a story in other words
        best: Mapping[str, Any] = max(readings, key=len, default={})  # the first of the fullest: as the expert takes it
        for name, _ in reader(text).slots:
            if name not in best:
                return f"{around!r} does not give back {name}"
        for name, value in best.items():
            if str(told[name]) != str(value):
                return f"{around!r} is read as {name}={value!r}; it is {told[name]!r}"
    return None


def _right(found: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return all(str(told[name]) == str(value) for name, value in found.items())
