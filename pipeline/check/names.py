"""Rung `prepare`, of names: what intents call drawn values and results by exists when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.check.refusal import Refusal
from pipeline.check.subject import Subject, plans_of, references
from pipeline.domain import Intent, Step
from pipeline.errors import BadInput
from pipeline.wording import names_in

RUNG = "prepare"


def names_of(subject: Subject, i: int, intent: Intent, drawn: set[str]) -> Iterator[Refusal]:
    """Facts, answers, mentions and gold arguments name something drawn, or an earlier result."""

    def refuse(what: str, remedy: str, *path: str | int) -> Refusal:
        return Refusal(subject.at("intents.yaml", i, *path), RUNG, f"{intent.name}: {what}", remedy)

    draws = f"It draws: {', '.join(sorted(drawn))}."
    person = subject.domain.person
    if person is not None and person not in drawn:
        yield refuse(f"{person}, who speaks, is not drawn", draws, "draw")
    for fact in intent.facts:
        if fact not in drawn:
            yield refuse(f"the fact {fact} is not drawn", draws, "facts", fact)
    forbidden: list[tuple[str, tuple[str | int, ...], tuple[Step, ...]]] = []
    if intent.forbidden:
        forbidden.append(("forbidden", ("forbidden",), intent.forbidden))
    for name, path, steps in (*plans_of(intent), *forbidden):
        seen: list[str] = []
        for k, step in enumerate(steps):
            for parameter, value in step.arguments.items():
                for wanted in _wanted(value):
                    if wanted not in drawn and wanted not in seen:
                        what = f"{name}: {step.tool}: ${wanted} is neither drawn nor an earlier result"
                        yield refuse(what, _results(seen, draws), *path, k, step.tool, parameter)
            if step.save_as is not None:
                if step.save_as in drawn:
                    yield refuse(f"{name}: {step.save_as} is drawn, and a result, too", "Rename one.", *path, k)
                seen.append(step.save_as)
        if name == "forbidden":
            continue
        # the plan decides what can be answered; what its texts must hold, too
        for part, named in (("answers", {"": intent.answers}), ("mentions", intent.mentions)):
            for column, specs in named.items():
                for k, spec in enumerate(specs):
                    root = spec.removeprefix("$").partition(".")[0]
                    if not spec.startswith("$") or (root not in drawn and root not in seen):
                        what = f"{name}: {part}: {spec} is neither drawn nor a result"
                        yield refuse(what, _results(seen, draws), part, *((column, k) if column else (k,)))


def _results(seen: list[str], draws: str) -> str:
    return f"Results: {', '.join(seen)}. {draws}" if seen else draws


def _wanted(value: Any) -> Iterator[str]:
    """The first part of every name that an argument uses."""
    for name in references(value):
        yield name.partition(".")[0]
    if isinstance(value, str) and "{{" in value:
        try:
            yield from sorted(names_in(value))
        except BadInput:
            yield value  # no name at all, so it is refused with its text


def says_of(subject: Subject, i: int, intent: Intent, drawn: set[str]) -> Iterator[Refusal]:
    """The expert's wording: each names what some plan knows, and every plan has one of each kind that it can say."""
    knows: dict[str, Mapping[str, set[str]]] = {}
    confirming = {tool.name for tool in subject.domain.tools if tool.confirm}
    for name, _, steps in plans_of(intent):
        results = [step.save_as for step in steps if step.save_as is not None]
        first = next((k for k, step in enumerate(steps) if step.tool in confirming), len(steps))
        before = {step.save_as for step in steps[:first] if step.save_as is not None}
        knows[name] = {"propose": drawn | before, "report": drawn | set(results), "decline": drawn | set(results)}
    for language, says in intent.says.items():
        for part in ("propose", "report", "decline"):
            texts = getattr(says, part)
            names = [names_in(text) for text in texts]
            for k, (text, wanted) in enumerate(zip(texts, names, strict=True)):
                if not any(wanted <= known[part] for known in knows.values()):
                    stranger = sorted(wanted - knows["gold"][part])[0]
                    where = subject.at("intents.yaml", i, "says", language, part, k)
                    what = f"{intent.name}: says {text!r}: {stranger} is not known then"
                    yield Refusal(where, RUNG, what, f"Known: {', '.join(sorted(knows['gold'][part]))}.")
            for name, known in knows.items():
                if texts and not any(wanted <= known[part] for wanted in names):
                    where = subject.at("intents.yaml", i, "says", language, part)
                    what = f"{intent.name}: says.{language}.{part} has no sentence that fits the plan {name}"
                    yield Refusal(where, RUNG, what, "Write one with the facts and that plan's results.")
