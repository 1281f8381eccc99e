"""Rung `grounded`: every value of a plan could be known: told, seen, or written where the agent reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject, plans_of, steps_of
from pipeline.check.trials import YIELD
from pipeline.domain import Intent
from pipeline.wording import NUMBERS

RUNG = "grounded"


def grounded(subject: Subject) -> Found:
    """Every value of a right plan could be known: told, seen, or written where the agent reads it."""
    refusals: list[Refusal] = []
    for i, intent in enumerate(subject.domain.intents):
        mine = [trial for trial in subject.trials if trial.number == i]
        for n, (name, path, _) in enumerate(plans_of(intent)):
            ran = [trial.runs[n] for trial in mine if trial.runs]
            lost = [run.drop for run in ran if run.drop is not None and run.drop.reason == "ungrounded"]
            if lost and len(lost) > (1 - YIELD) * len(ran):
                what = f"{intent.name}/{name}: {lost[0]} ({len(lost)} of {len(ran)} draws)"
                remedy = "Tell it as a fact, or plan a call before it whose result shows it."
                refusals.append(Refusal(subject.at("intents.yaml", i, *path), RUNG, what, remedy))
        tried = [trial.forbidden for trial in mine if trial.forbidden is not None]
        lost = [run.drop for run in tried if run.drop is not None and run.drop.reason == "ungrounded"]
        if lost and len(lost) > (1 - YIELD) * len(tried):
            what = f"{intent.name}/forbidden: {lost[0]} ({len(lost)} of {len(tried)} draws)"
            remedy = "Tell it as a fact, or hold a call before it whose result shows it."
            refusals.append(Refusal(subject.at("intents.yaml", i, "forbidden"), RUNG, what, remedy))
    arguments, constants = 0, list(_constants(subject))
    for _, _, _, _, step, _ in steps_of(subject.domain, forbidden=True):
        arguments += len(step.arguments)
    refusals += [refusal for refusal in constants if refusal is not None]
    return Found(f"{arguments} arguments traced, {len(constants)} of them constants", refusals)


def _constants(subject: Subject) -> Iterator[Refusal | None]:
    """Each literal of a plan; with a refusal where an agent has no way to know it."""
    for i, intent, plan, path, step, tool in steps_of(subject.domain, forbidden=True):
        for name, value in step.arguments.items():
            if isinstance(value, str) and (value.startswith("$") or "{{" in value):
                continue
            schema = tool.parameters[name] if tool is not None else {}
            if _chosen(schema, value) or _read(subject, intent, value) or _free_text(subject, i, plan, value):
                yield None
                continue
            what = f"{intent.name}/{plan}: {step.tool}: {name} is {value!r}, which nobody says"
            remedy = "Say it in the policy or in every phrasing, draw it as a fact, or make it one of an enum."
            yield Refusal(subject.at("intents.yaml", *path, name), RUNG, what, remedy)


def _chosen(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the tool's own schema offers the value."""
    if isinstance(value, bool) or value is None or value in schema.get("enum", ()):
        return True
    if isinstance(value, list):
        return all(_chosen(schema.get("items", {}), part) for part in value)
    return "default" in schema and schema["default"] == value


def _read(subject: Subject, intent: Intent, value: Any) -> bool:
    """Whether the policy says it, or every phrasing of every language."""
    if isinstance(value, list):
        return all(_read(subject, intent, part) for part in value)
    said = {str(value).casefold()}
    if isinstance(value, int):
        said |= {NUMBERS[value]} if 0 <= value < len(NUMBERS) else set()
        said |= {f"{value // 100:,}.{value % 100:02}"} if value > 0 else set()
    texts = [t for group in (intent.phrasings, intent.followups) for them in group.values() for t in them]
    return any(all(word in text.casefold() for text in texts) for word in said) or any(
        word in subject.domain.policy.casefold() for word in said
    )


def _free_text(subject: Subject, number: int, plan: str, value: Any) -> bool:
    """Whether it ends up only in columns that are compared as text: wording is the agent's own."""
    shapes = subject.compiled.shapes
    modes: set[str | None] = set()
    for trial in subject.trials:
        for run in (*trial.runs, trial.forbidden) if trial.number == number else ():
            if run is not None and run.plan == plan:
                cells = [(r.table, c, v) for r in run.change.inserts for c, v in r.row.items()]
                cells += [(u.table, u.column, u.after) for u in run.change.updates]
                modes |= {shapes[table].compare.get(column) for table, column, cell in cells if cell == value}
    return modes == {"text"}
