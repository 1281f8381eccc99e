"""What a run filter may know besides the row: the whole run's findings, and how the row's task fared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RunFacts:
    """defects: how many episodes a domain's defect ended, by domain; domains without any are absent."""

    defects: Mapping[str, int]


@dataclass(frozen=True)
class RowFacts:
    """attempts: how often the row's task was tried in the whole run; passes: how often it passed."""

    attempts: int
    passes: int
