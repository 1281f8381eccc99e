"""The ladder itself: which rungs there are, in which order, and how one climbs.

A rung stands on the rungs below it, so the first that refuses is the last that is climbed; it lists everything that
it found, since a person mends a file and not a line. Everything is derived from the domain's files: the same files
give the same refusals.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.check.admission_rung import admission
from pipeline.check.budget import readable_in_time
from pipeline.check.examples import examples
from pipeline.check.grounded import grounded
from pipeline.check.hunt import random_calls
from pipeline.check.intents import intents
from pipeline.check.novelty import novel
from pipeline.check.parse import parse
from pipeline.check.prepare import prepare
from pipeline.check.reach import reach
from pipeline.check.refusal import Refusal
from pipeline.check.repeat import deterministic
from pipeline.check.spoken import spoken
from pipeline.check.stories import readable
from pipeline.check.subject import Found, Subject
from pipeline.check.survivors import survivors
from pipeline.check.worlds import populated

RUNGS: tuple[tuple[str, Callable[[Subject], Found]], ...] = (
    ("parse", parse),
    ("prepare", prepare),
    ("populate", populated),
    ("examples", examples),
    ("random", random_calls),
    ("intents", intents),
    ("grounded", grounded),
    ("readable", readable),
    ("spoken", spoken),
    ("mutation", survivors),
    ("deterministic", deterministic),
    ("reach", reach),
    ("novelty", novel),
    ("budget", readable_in_time),
    ("admission", admission),
)


def check_domain(folder: Path, report: Callable[[str, str], None]) -> list[Refusal]:
    """Climb the ladder with the domain in a folder; the refusals of the first rung that has any.

    `report(rung, what was found in a few words)` is called for each rung as it is done.
    """
    subject = Subject(folder)
    for name, rung in RUNGS:
        words, refusals = rung(subject)
        if refusals:
            found = list(dict.fromkeys(refusals))
            report(name, f"refused: {len(found)} to mend")
            return found
        report(name, words)
    return []
