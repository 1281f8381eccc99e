"""What particular kinds of intent must show, beside what the rung `intents` asks of all.

Refuse: doing what the user asks really breaks the rule that the intent names (`by: agent`), or is really refused by the
tools (`by: tool`); else an agent that obliges would do no wrong. Change of mind: what is said first is never what is
wanted in the end, and the user is asked for their word before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.check.examples import raised
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Subject
from pipeline.check.trials import YIELD, Run, Trial
from pipeline.domain import Intent, Rule
from pipeline.types import Call
from pipeline.wording import render
from pipeline.world import FinalState

RUNG = "intents"
YES = "Yes, please go ahead."


def refusals_are_real(subject: Subject) -> Iterator[Refusal]:
    """At least half of the refuse intents need the agent's judgement: else its tools refuse for it."""
    refusing = [(i, intent) for i, intent in enumerate(subject.domain.intents) if intent.kind == "refuse"]
    by_agent = [intent for _, intent in refusing if subject.domain.rules[intent.rule or ""].by == "agent"]
    if 2 * len(by_agent) < len(refusing):
        i, _ = next((i, intent) for i, intent in refusing if subject.domain.rules[intent.rule or ""].by == "tool")
        what = f"{len(by_agent)} of {len(refusing)} refuse intents target rules `by: agent`; at least half must"
        where = subject.at("intents.yaml", i, "rule")
        yield Refusal(where, RUNG, what, "Add refuse intents for rules that the tools do not enforce.")


# ---------------------------------------------------------------- forbidden


def forbidden_is_forbidden(subject: Subject, i: int, intent: Intent, trials: list[Trial]) -> Iterator[Refusal]:
    """What a refuse intent asks for, done in every draw: it breaks the rule, or the tools refuse it."""
    rule = subject.domain.rules[intent.rule or ""]
    drops = [trial.forbidden.drop for trial in trials if trial.forbidden is not None and trial.forbidden.drop]
    ran = [trial for trial in trials if trial.forbidden is not None and trial.forbidden.run is not None]
    if drops and len(ran) < YIELD * (len(ran) + len(drops)):
        if drops[0].reason != "ungrounded":  # the rung `grounded` speaks of that
            yield _refuse(subject, i, intent, f"it cannot be done: {drops[0]}", "Mend the calls.")
        return
    for trial in ran:
        assert trial.forbidden is not None
        found = _obliged(subject, trial, trial.forbidden, rule)
        if found is not None:
            yield _refuse(subject, i, intent, *found)
            return


def _refuse(subject: Subject, i: int, intent: Intent, what: str, remedy: str) -> Refusal:
    return Refusal(subject.at("intents.yaml", i, "forbidden"), RUNG, f"{intent.name}: forbidden: {what}", remedy)


def _obliged(subject: Subject, trial: Trial, run: Run, rule: Rule) -> tuple[str, str] | None:
    """What is wrong with what an agent that obliges would do: what, and the remedy."""
    refused = next((call for call in run.calls if not call.ok), None)
    if rule.by == "tool":
        if refused is None:
            return "the tools do it, though the rule says that they refuse", "Mend the guards, or the rule's `by:`."
        tool = subject.domain.tool(refused.name)
        if not tool.effects or refused.error not in {guard.otherwise for guard in tool.requires} | raised(subject):
            what = f"{refused.name} is refused, which is no refusal to do it: {refused.error}"
            return what, "Let the look-ups succeed, and the call that writes be refused by a guard."
        return None
    if refused is not None:
        what = f"the rule is the agent's to keep, but {refused.name} is refused: {refused.error}"
        return what, "Draw what the tools would do, mend the calls, or let the rule be `by: tool`."
    assert rule.violated is not None
    opening = _opening(trial)
    for confirmed in (False, True):
        turns = [(0, opening, False), *((n, YES, True) for n in range(1, len(run.calls)) if confirmed)]
        with FinalState(trial.drawer.world, run.change, _played(run), turns) as end:
            if not end.check(rule.violated):
                state = "even with the user's yes before each call" if confirmed else "without a yes of the user's"
                what = f"done {state}, it does not violate {trial.intent.rule}"
                return (
                    what,
                    "Mend the rule's `violated:`, the draw, or the calls; what a yes allows is to be asked for.",
                )
    return None


def _played(run: Run) -> list[Call]:
    """The calls as a conversation has them: the agent's first message comes after the opening, which is turn 0."""
    return [call.model_copy(update={"turn": n + 1}) for n, call in enumerate(run.calls)]


def _opening(trial: Trial) -> str:
    assert trial.drawn is not None
    text = next(iter(trial.intent.phrasings.values()))[0]
    return render(text, trial.drawn.told(), today=trial.drawer.world.today)


# ---------------------------------------------------------------- change of mind


def minds_change(subject: Subject, i: int, intent: Intent, trials: list[Trial]) -> Iterator[Refusal]:
    """What is said first differs from what is wanted, in every draw."""

    def refuse(what: str, remedy: str, *path: str | int) -> Refusal:
        where = subject.at("intents.yaml", i, "change_of_mind", *path)
        return Refusal(where, RUNG, f"{intent.name}: change_of_mind: {what}", remedy)

    drawn = [trial for trial in trials if trial.drawn is not None]
    firsts = [trial for trial in drawn if trial.first is not None]
    if len(firsts) < YIELD * len(drawn):
        what = f"only {len(firsts)} of {len(drawn)} draws have something else that can be said first"
        yield refuse(what, "Draw it from more rows.", "draw")
    for trial in firsts:
        assert trial.first is not None
        for fact, value in trial.first.items():
            if trial.bindings[fact] == value:
                what = f"{fact} is {value!r} first and in the end, too"
                yield refuse(what, f"Draw one that differs: … WHERE {fact} <> :{fact}.", "first", fact)
                return
