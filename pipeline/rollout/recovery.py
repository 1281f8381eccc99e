"""What a careful agent does when a call did not go through: try again, or look first where a write is in doubt.

It goes by what the tool said and by nothing else. A refusal that will pass (too many requests, a service that is down)
is tried again; a page that broke off is fetched again; a look-up that timed out is made again. A write that timed out
may have taken effect: it is looked up, and made again only when it did not. All of it a few times, then the user hears
the truth.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from engine.types import Message
from pipeline.sources import fill, rows_of, shown
from pipeline.types import PlanStep, Proof, Source

if TYPE_CHECKING:
    from pipeline.rollout.work import GoalWork, Heard

TRIES = 3  # times that one call is made, or one doubt is looked into

Trouble = Literal["again", "doubt", "cut"]
"""A refusal that will pass, no answer at all, a page that broke off."""

_DOUBT = re.compile(r"\btimed? ?out\b|\bno (?:answer|response)\b|\bconnection (?:was )?(?:lost|reset|closed)\b", re.I)
_AGAIN = re.compile(r"\btoo many requests\b|\brate limit|\btemporarily unavailable\b|\b50[234]\b", re.I)
_CUT = re.compile(r"\bended early\b|\bincomplete\b|\binterrupted\b", re.I)


def trouble(result: Any) -> Trouble | None:
    """What a tool's answer says of trouble on the way; None for a result, and for a refusal on the merits."""
    if isinstance(result, dict) and set(result) == {"error"}:
        text = str(result["error"])
        return "doubt" if _DOUBT.search(text) else "again" if _AGAIN.search(text) else None
    if isinstance(result, list) and result and isinstance(result[-1], dict) and set(result[-1]) == {"truncated"}:
        return "cut" if _CUT.search(str(result[-1]["truncated"])) else None
    return None


def made_good(
    work: GoalWork, step: PlanStep, arguments: dict[str, Any], met: Trouble
) -> Generator[Message, Heard, str | None]:
    """Bring a call that met trouble to its end: None once it has a result, else what the user is to be told."""
    doubted = False
    for _ in range(TRIES - 1):
        words = {"again": "again", "cut": "cut", "doubt": "no_answer"}[met]
        if step.writes and met == "doubt":
            doubted = True
            took = yield from _looked_up(work, step, arguments)
            if took is None:
                work.unsettled = True
                return work.phrase("unsure")
            if took:
                work.learned.append(work.phrase("went_through"))
                return None
            words = "not_through"
        result = yield from work.one(step.tool, arguments, work.phrase(words))
        next_met = trouble(result)
        if next_met is None:
            if doubted:
                work.learned.append(work.phrase("second_try"))
            return work.took(step, arguments, result)
        met = next_met
    if step.writes and met == "doubt":
        took = yield from _looked_up(work, step, arguments)
        if took:
            work.learned.append(work.phrase("went_through"))
            return None
        work.unsettled = took is None
        return work.phrase("unsure" if took is None else "unreachable")
    return work.phrase("unreachable")


def _looked_up(work: GoalWork, step: PlanStep, made: dict[str, Any]) -> Generator[Message, Heard, bool | None]:
    """Whether a write in doubt took effect; its result is then what the look-up shows. None: nobody can tell."""
    work.agent.may_have_written(step.tool)
    if step.proof is None:
        return None
    proof = _as_made(work, step, made, step.proof)
    if not proof.row:
        return None
    try:
        arguments = fill(proof.arguments, work.parameters(proof.tool), work.told, work.results, work.currency)
        for _ in range(TRIES):
            result = yield from work.one(proof.tool, arguments, work.phrase("looking_into"))
            if trouble(result) is None:
                return _found(work, step, proof, rows_of(result))
    except KeyError:  # it does not know what to look for: that happens only to who left out a look-up
        pass
    return None


def _as_made(work: GoalWork, step: PlanStep, made: dict[str, Any], proof: Proof) -> Proof:
    """The proof of the call that was made; who errs makes another than was planned, for which less is known."""
    try:
        if made == work.arguments(step):
            return proof
    except KeyError:
        pass  # it was made with a guess
    taken = {name: Source(by="const", value=value) for name, value in made.items()}

    def of(source: Source) -> Source | None:
        return next((taken[n] for n, planned in step.arguments.items() if planned == source and n in taken), None)

    row = {c: s if s.by == "const" else of(s) for c, s in proof.row.items()}
    return proof.model_copy(
        update={
            "arguments": {name: of(source) or source for name, source in proof.arguments.items()},
            "row": {column: source for column, source in row.items() if source is not None},
        }
    )


def _found(work: GoalWork, step: PlanStep, proof: Proof, rows: Sequence[dict[str, Any]]) -> bool:
    for row in rows:
        if shown(proof, row, work.told, work.results):
            work.results[step.key] = {name: row[column] for name, column in proof.fields.items() if column in row}
            work.partly_known |= not proof.whole
            return True
    return False
