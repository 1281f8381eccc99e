"""trust.json: what was measured about the verifiers, the worlds and the users of a run, beside its rows.

No row depends on it and the fingerprint does not cover it: it says how far the rows can be believed, by the code and
the hand-checked cases of the day. Each figure is "so many found, out of so many"; queries make rates and intervals.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from engine.types import Frozen
from pipeline.errors import BadInput
from pipeline.storage.files import write_atomic

NAME = "trust.json"


class Figure(Frozen):
    """`found` of `out_of`. `part`: what was looked at (`hand_checked`, `audit`, `users`); `finding`: what counted."""

    part: str
    domain: str
    finding: str
    found: int
    out_of: int


class Example(Frozen):
    """One finding at length, for a person who looks for its cause."""

    part: str
    domain: str
    finding: str
    detail: str


class TrustFile(Frozen):
    figures: tuple[Figure, ...]
    examples: tuple[Example, ...] = ()


def write_trust(run: Path, trust: TrustFile) -> None:
    """Put trust.json in its place, whole."""
    data = trust.model_dump_json(indent=1).encode()
    file = run / NAME
    if not file.exists() or file.read_bytes() != data:
        write_atomic(file, data)


def read_trust(run: Path) -> TrustFile | None:
    """What trust.json says; None where the run has none (it is older). Raises BadInput when it cannot be read."""
    file = run / NAME
    try:
        return TrustFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        remedy = "Remove it and run the same `toolworlds generate` command again: it is measured anew."
        raise BadInput("this is no trust.json that this version reads", where=str(file), remedy=remedy) from None
