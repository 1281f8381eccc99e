"""Rung `parse`: the files are what the grammar says, and what they name in each other is there.

Static: no SQL is prepared yet, so what depends on the columns of a draw is left to the next rung.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.check.refusal import Refusal, refusals_of
from pipeline.check.subject import Found, Subject, plans_of, steps_of
from pipeline.domain import ByLanguage, Intent
from pipeline.errors import BadInput
from pipeline.reading import reader
from pipeline.wording import names_in
from pipeline.world import load_source

RUNG = "parse"
_PLAIN_TEXT = "Use plain text and slots such as {{ name }} or {{ day | day }}, with words between and after them."


def parse(subject: Subject) -> Found:
    """The domain's files, read strictly, with their cross references."""
    try:
        subject.source = load_source(subject.folder)
    except BadInput as error:
        return Found("", refusals_of(error, RUNG, remedy="Mend the file where it says."))
    domain = subject.domain
    refusals: list[Refusal] = []
    if domain.name != subject.folder.resolve().name:
        what = f"the domain is called {domain.name}, its folder {subject.folder.resolve().name}"
        refusals.append(Refusal(subject.at("domain.yaml", "name"), RUNG, what, "Give both the same name."))
    refusals += _examples(subject)
    refusals += _hands(subject)
    refusals += _steps(subject)
    for i, intent in enumerate(domain.intents):
        refusals += _intent(subject, i, intent)
        refusals += _stories(subject, i, intent)
        refusals += _wordings(subject, i, intent)
    return Found(f"{len(domain.tools)} tools, {len(domain.intents)} intents, {len(domain.rules)} rules", refusals)


def _examples(subject: Subject) -> Iterator[Refusal]:
    for i, tool in enumerate(subject.domain.tools):
        for k, example in enumerate(tool.examples):
            for stranger in sorted(set(example.arguments) - set(tool.parameters)):
                where = subject.at("tools.yaml", i, "examples", k, "arguments", stranger)
                yield Refusal(where, RUNG, f"{tool.name} has no parameter {stranger!r}", _known(tool.parameters))


def _hands(subject: Subject) -> Iterator[Refusal]:
    """How the user's own tools are asked for, and told of: in words from which an agent can take what they show."""
    for i, tool in enumerate(subject.domain.tools):
        if tool.asked is None:
            continue
        if tool.returns.many:
            what = f"{tool.name} shows a list, and a user tells of one thing"
            yield Refusal(subject.at("tools.yaml", i, "returns"), RUNG, what, "Return one row, without `many:`.")
        for part, ways in (("ask", tool.asked.ask), ("tell", tool.asked.tell)):
            if not ways.get("en"):
                where = subject.at("tools.yaml", i, "asked", part)
                yield Refusal(where, RUNG, f"{tool.name}: asked.{part} has no English", f"Write asked.{part}.en.")
            for language, them in ways.items():
                for k, text in enumerate(them):
                    where = subject.at("tools.yaml", i, "asked", part, language, k)
                    strangers: frozenset[str] = frozenset()
                    try:
                        if part == "ask":
                            strangers = names_in(text) - set(tool.required)
                        else:
                            reader(text)
                    except BadInput as error:
                        yield from refusals_of(error, RUNG, where=where, remedy=_PLAIN_TEXT)
                        continue
                    for stranger in sorted(strangers):
                        what = f"{tool.name}: {text!r} asks with {stranger}, which is no required parameter of the tool"
                        yield Refusal(where, RUNG, what, _known(tool.required))


def _steps(subject: Subject) -> Iterator[Refusal]:
    """Planned calls: the tool exists, takes these arguments and gets all that it requires; whose it is fits."""
    tools = [tool.name for tool in subject.domain.tools]
    for _, intent, plan, path, step, tool in steps_of(subject.domain, forbidden=True):
        where = subject.at("intents.yaml", *path)
        what = f"{intent.name}/{plan}: {step.tool}"
        if tool is None:
            yield Refusal(where, RUNG, f"{what}: there is no such tool", _known(tools))
            continue
        if tool.actor != "agent" and intent.kind != "dual_control":
            remedy = "Plan calls of the agent's tools, or make it `kind: dual_control`."
            yield Refusal(where, RUNG, f"{what}: only the user has this tool", remedy)
        for stranger in sorted(set(step.arguments) - set(tool.parameters)):
            place = subject.at("intents.yaml", *path, stranger)
            yield Refusal(place, RUNG, f"{what} has no parameter {stranger!r}", _known(tool.parameters))
        for missing in (name for name in tool.required if name not in step.arguments):
            remedy = "Give it, or make it `optional: true` in tools.yaml."
            yield Refusal(where, RUNG, f"{what}: the required argument {missing!r} is missing", remedy)


def _intent(subject: Subject, i: int, intent: Intent) -> Iterator[Refusal]:
    domain = subject.domain

    def at(*path: str | int) -> str:
        return subject.at("intents.yaml", i, *path)

    for name in intent.asked:
        if name not in intent.facts:
            remedy = f"Add it to facts, or take it out. {_known(intent.facts)}"
            yield Refusal(at("asked", name), RUNG, f"{intent.name}: asked: {name!r} is no fact", remedy)
    if intent.rule is not None and intent.rule not in domain.rules:
        what = f"{intent.name}: domain.yaml has no rule {intent.rule}"
        yield Refusal(at("rule"), RUNG, what, _known(domain.rules))
    for name, path, steps in plans_of(intent):
        saved = [step.save_as for step in steps if step.save_as is not None]
        for twice in sorted({a for a in saved if saved.count(a) > 1}):
            yield Refusal(at(*path), RUNG, f"{intent.name}/{name}: two results are called {twice!r}", "Rename one.")
    tools = {tool.name: tool for tool in domain.tools}
    if intent.rule is not None and intent.kind != "refuse":
        what = f"{intent.name}: only a refuse intent has a rule"
        yield Refusal(at("rule"), RUNG, what, "Take it out, or make it `kind: refuse`.")
    if intent.kind == "refuse" and not intent.forbidden:
        what = f"{intent.name}: a refuse intent says in `forbidden:` which calls would do what the user asks for"
        yield Refusal(at(), RUNG, what, "Write them all, look-ups included; they are run, and must break the rule.")
    yield from _change_of_mind(subject, i, intent)
    for n, (name, path, steps) in enumerate(plans_of(intent)):
        if intent.kind == "dual_control" and all(tools[s.tool].actor == "agent" for s in steps if s.tool in tools):
            what = f"{intent.name}/{name}: no call of it is the user's own"
            remedy = "Plan a call of a tool with `actor: user`" + (", or take the plan out." if n else ".")
            yield Refusal(at(*path), RUNG, what, remedy)
    confirms = any(t.confirm for steps in intent.plans for s in steps if (t := tools.get(s.tool)) is not None)
    declines = intent.kind in ("refuse", "irrelevant")
    wants = {"decline": declines, "report": not declines, "propose": confirms}
    says = intent.says.get("en")
    for part, wanted in wants.items():
        if wanted and (says is None or not getattr(says, part)):
            because = {
                "decline": f"{'an' if intent.kind == 'irrelevant' else 'a'} {intent.kind} intent says no",
                "report": "the user waits for what came of it",
                "propose": "a call with `confirm: true` waits for the user's word",
            }[part]
            what = f"{intent.name}: says.en.{part} is missing: {because}"
            yield Refusal(at("says", "en", part), RUNG, what, f"Write one or more sentences under says.en.{part}.")


def _change_of_mind(subject: Subject, i: int, intent: Intent) -> Iterator[Refusal]:
    """A mind is changed when the user is asked for their word, so every plan asks before it writes."""
    if intent.change_of_mind is None:
        return

    def refuse(what: str, remedy: str, *path: str | int) -> Refusal:
        return Refusal(subject.at("intents.yaml", i, *path), RUNG, f"{intent.name}: change_of_mind: {what}", remedy)

    for fact, value in intent.change_of_mind.first.items():
        if not value.startswith("$"):
            yield refuse(f"first: {fact} is {value!r}, which is not drawn", "Draw it.", "change_of_mind", "first", fact)
    if not intent.change_of_mind.says.get("en"):
        yield refuse("says has no English", "Write how the user takes it back.", "change_of_mind", "says")
    tools = {tool.name: tool for tool in subject.domain.tools}
    for name, path, steps in plans_of(intent):
        called = [tools[step.tool] for step in steps if step.tool in tools]
        wrote = next((k for k, tool in enumerate(called) if tool.effects and tool.actor == "agent"), len(called))
        if not any(tool.confirm for tool in called[: wrote + 1]):
            what = f"{name} asks nobody before it writes, so no mind can be changed"
            yield refuse(what, "Plan a call with `confirm: true` first, or take change_of_mind out.", *path)


def _stories(subject: Subject, i: int, intent: Intent) -> Iterator[Refusal]:
    """What the user says holds the facts that it should, in slots that can be read back."""
    person = subject.domain.person
    told = {name for name, how in intent.facts.items() if how != "never"}
    opening = {name for name, how in intent.facts.items() if how == "opening"}
    if "en" not in intent.phrasings:
        where = subject.at("intents.yaml", i, "phrasings")
        yield Refusal(where, RUNG, f"{intent.name}: no English phrasing", "Write at least one under phrasings.en.")
    # A follow-up comes when the person is known already.
    texts: list[tuple[tuple[str | int, ...], str, set[str]]] = [
        (("phrasings", language, k), text, opening)
        for language, them in intent.phrasings.items()
        for k, text in enumerate(them)
    ]
    texts += [
        (("followups", language, k), text, opening - {person or ""})
        for language, them in intent.followups.items()
        for k, text in enumerate(them)
    ]
    texts += [
        (("asked", name, "tell", language, k), text, {name} & told)
        for name, asked in intent.asked.items()
        for language, them in asked.tell.items()
        for k, text in enumerate(them)
    ]
    if intent.change_of_mind is not None:
        texts += [
            (("change_of_mind", "says", language, k), text, set(intent.change_of_mind.first) & told)
            for language, them in intent.change_of_mind.says.items()
            for k, text in enumerate(them)
        ]
    for path, text, needed in texts:
        where = subject.at("intents.yaml", i, *path)
        try:
            slots = {name for name, _ in reader(text).slots}
        except BadInput as error:
            yield from refusals_of(error, RUNG, where=where, remedy=_PLAIN_TEXT)
            continue
        what = f"{intent.name}: {text!r}"
        for missing in sorted(needed - slots):
            yield Refusal(where, RUNG, f"{what} does not tell {missing}", f"Put {{{{ {missing} }}}} into it.")
        for stranger in sorted(slots - told):
            remedy = f"Tell only facts that are opening or asked: {', '.join(sorted(told)) or 'there are none'}."
            yield Refusal(where, RUNG, f"{what} tells {stranger}, which the user does not tell", remedy)
    plain: list[tuple[str, tuple[str | int, ...], ByLanguage]] = [("a push", ("pushes",), intent.pushes)]
    plain += [("a question", ("asked", name, "ask"), asked.ask) for name, asked in intent.asked.items()]
    for said, path, ways in plain:
        for language, them in ways.items():
            for k, text in enumerate(them):
                if "{{" in text or "{%" in text:
                    where = subject.at("intents.yaml", i, *path, language, k)
                    yield Refusal(
                        where, RUNG, f"{intent.name}: {said} is said as it stands: {text!r}", "Use plain text."
                    )


def _wordings(subject: Subject, i: int, intent: Intent) -> Iterator[Refusal]:
    """What the expert says compiles; whether it can know the names is asked when the draws' columns are known."""
    for language, says in intent.says.items():
        for part in ("propose", "report", "decline"):
            for k, text in enumerate(getattr(says, part)):
                try:
                    names_in(text)
                except BadInput as error:
                    where = subject.at("intents.yaml", i, "says", language, part, k)
                    yield from refusals_of(error, RUNG, where=where, remedy="Use slots, filters, if and for only.")


def _known(names: object) -> str:
    listed = sorted(str(name) for name in names) if isinstance(names, (list, dict, tuple)) else []
    return f"Known: {', '.join(listed)}." if listed else "There are none."
