"""Rung `readable`: what users say gives back its facts, however they write a date and whatever they say around it.

An expert reads a user's message by inverting the templates that the intent has, so a story in which another template
fits better, or a slot swallows its neighbour, would make a careful agent fail for no fault of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.check.trials import Trial
from pipeline.errors import BadInput
from pipeline.identity import Rng
from pipeline.reading import reader
from pipeline.tasks.personas import load_personas
from pipeline.types import Persona
from pipeline.wording import render

RUNG = "readable"
STYLES = ("iso", "day_month", "month_day", "weekday")


def readable(subject: Subject) -> Found:
    """Every text of the user's, with drawn values, in every style."""
    refusals: dict[str, Refusal] = {}
    personas = load_personas()
    rng = subject.rng("readable")
    count = 0
    for n, trial in enumerate(subject.trials):
        if trial.drawn is None:
            continue
        styles = STYLES[:2] if n % 2 else STYLES[2:]  # the next draw of the intent is told in the others
        for path, text, others in _texts(trial):
            where = subject.at("intents.yaml", trial.number, *path)
            for style in styles:
                count += 1
                if where not in refusals:
                    problem = _misread(subject, trial, text, others, style, _speaker(personas, style, rng), rng)
                    if problem:
                        remedy = "Put words around the slots that no value holds; use | day, | clock, | money, | count."
                        refusals[where] = Refusal(where, RUNG, f"{trial.intent.name}: {problem}", remedy)
    return Found(f"{count} texts read back", list(refusals.values()))


def _texts(trial: Trial) -> list[tuple[tuple[str | int, ...], str, tuple[str, ...]]]:
    """(path, template, the templates by which an agent would try to read it) of all that the user may say."""
    intent = trial.intent
    out: list[tuple[tuple[str | int, ...], str, tuple[str, ...]]] = []
    for language, phrasings in intent.phrasings.items():
        followups = intent.followups.get(language, ())
        templates = (*phrasings, *followups)
        out += [(("phrasings", language, k), text, templates) for k, text in enumerate(phrasings)]
        out += [(("followups", language, k), text, templates) for k, text in enumerate(followups)]
        for name, asked in intent.asked.items():
            tells = asked.tell.get(language) or asked.tell["en"]
            out += [(("asked", name, "tell", language, k), text, tells) for k, text in enumerate(tells)]
    return out


def _speaker(personas: tuple[Persona, ...], style: str, rng: Rng) -> Persona:
    return rng.choice([persona for persona in personas if persona.dates == style] or personas)


def _misread(
    subject: Subject, trial: Trial, text: str, others: tuple[str, ...], style: str, persona: Persona, rng: Rng
) -> str | None:
    """What goes wrong when this is said and read; None when it gives back its facts."""
    assert trial.drawn is not None
    told, today = trial.drawn.told(), trial.drawer.world.today
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
