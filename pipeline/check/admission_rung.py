"""Rung `admission`: the verifiers of a domain's tasks hold, seen in a few tasks.

A run admits each of its tasks; here a domain whose verifiers let a wrong run pass, or fail a right one, is refused as a
whole, with the intent and the run that shows it. Of a domain with many intents some are tried, other ones whenever the
domain changes: the whole ladder is to stay quick enough to be climbed after every edit.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.check.admission import admit
from pipeline.check.refusal import Refusal
from pipeline.check.stand import Stand
from pipeline.check.subject import Found, Subject
from pipeline.config import RunConfig
from pipeline.domain import Intent, Kind
from pipeline.errors import DomainDefect
from pipeline.identity import Rng, derive_seed
from pipeline.judging.rubric import domain_rubric
from pipeline.rollout.expert import PHRASES, parse_phrases
from pipeline.rollout.loop import PROMPT
from pipeline.tasks.personas import load_personas
from pipeline.tasks.synthesize import TaskMaker
from pipeline.types import DroppedTask
from pipeline.verdicts import Admission

RUNG = "admission"
WORLDS = 2  # in which tasks are admitted
FEW = 12  # intents up to which all are tried, in two worlds; of more, this many in one
_LET_THROUGH = "Let a check, a rule or the comparison of a column tell this run from a right one."
_TURNED_AWAY = "This run is right: mend the check, rule, criterion or wording that the reason names."


def admission(subject: Subject) -> Found:
    """A few tasks of each of a few intents, admitted."""
    rubric, prompt = domain_rubric(subject.domain.name), PROMPT.read_text(encoding="utf-8")
    phrases = parse_phrases(PHRASES.read_text(encoding="utf-8"))
    stands = [Stand(drawer, rubric, prompt, phrases) for drawer in subject.drawers[:WORLDS]]
    maker = TaskMaker(subject.compiled, RunConfig(domains=(subject.domain.name,)), load_personas())
    refusals: dict[str, Refusal] = {}
    found: list[Admission] = []
    for i, intent in _tried(subject):
        where = subject.at("intents.yaml", i)
        for n, kind in enumerate(_kinds(intent, len(subject.domain.intents))):
            drawer, stand = subject.drawers[(i + n) % len(stands)], stands[(i + n) % len(stands)]
            task = maker.of(drawer, kind, [intent.name], n)
            if isinstance(task, DroppedTask):
                continue  # the rungs below have said what there is to say
            try:
                made = admit(task, stand)
            except DomainDefect as defect:
                remedy = "Guard against these arguments, so that the call is refused instead."
                refusals.setdefault(where, Refusal(where, RUNG, f"{intent.name}: {defect}", remedy))
                continue
            found.append(made)
            for wrong, remedy in ((made.survivors, _LET_THROUGH), (made.rejected, _TURNED_AWAY)):
                for finding in wrong[:1]:
                    refusals.setdefault(where, Refusal(where, RUNG, f"{intent.name}: {finding}", remedy))
    mutants, variants = sum(made.made for made in found), sum(made.tried for made in found)
    killed, equivalent = sum(made.killed for made in found), sum(made.equivalent for made in found)
    words = f"{len(found)} tasks: {killed} of {mutants} wrong runs fail and {equivalent} were right after all; "
    return Found(f"{words}{variants} right runs pass", list(refusals.values()))


def _tried(subject: Subject) -> list[tuple[int, Intent]]:
    """The intents that are tried, with their numbers."""
    intents = list(enumerate(subject.domain.intents))
    rng = Rng(derive_seed("check", "admission", subject.domain.version))
    return sorted(rng.shuffled(intents)[:FEW], key=lambda numbered: numbered[0])


def _kinds(intent: Intent, intents: int) -> Iterator[Kind]:
    """The kinds of task to be tried with an intent: its own, and a change of mind where it has one."""
    yield intent.kind
    if intents <= FEW:
        yield intent.kind
    if intent.change_of_mind is not None:
        yield "change_of_mind"
