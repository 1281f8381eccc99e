"""What is kept and what is not: one function a file, listed here in the order in which they are asked.

A filter answers None to keep a row, or a sentence that says why not; its name becomes the row's `drop_reason`, and the
first filter that objects decides. Row filters see one judged episode and run where it is sealed. Run filters depend on
other rows, so they run at publish, in work-list order: each is a function of (config, facts) that makes the filter.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config import RunConfig
from pipeline.filters.cap import cap
from pipeline.filters.domain_quarantined import domain_quarantined
from pipeline.filters.facts import RowFacts, RunFacts
from pipeline.filters.finished import finished
from pipeline.filters.gates import gates
from pipeline.filters.near_duplicate import near_duplicate
from pipeline.filters.pass_band import pass_band
from pipeline.filters.planted import planted
from pipeline.filters.secrets import redact, secrets
from pipeline.filters.state import state
from pipeline.verdicts import Record

__all__ = ["FILTERS", "NAMES", "RUN_FILTERS", "RowFacts", "RowFilter", "RunFacts", "RunFilter", "decide"]

RowFilter = Callable[[Record, RunConfig], str | None]
RunFilter = Callable[[Record, RowFacts], str | None]

# Secrets come first: a row that holds one is dropped for that, whatever else is wrong with it, and is redacted.
FILTERS: tuple[RowFilter, ...] = (secrets, finished, state, gates, planted)
# The band comes before copies are looked for, so that no row is given up for the copy of one that is dropped anyway.
RUN_FILTERS: tuple[Callable[[RunConfig, RunFacts], RunFilter], ...] = (
    domain_quarantined, pass_band, near_duplicate, cap,
)  # fmt: skip
NAMES: tuple[str, ...] = tuple(f.__name__ for f in (*FILTERS, *RUN_FILTERS))


def decide(record: Record, config: RunConfig) -> Record:
    """The record with the name of the first row filter that objects as its `drop_reason`, or with None.

    A record in which a secret was found comes back without it: rejected rows are published too.
    """
    for row_filter in FILTERS:
        if row_filter(record, config) is not None:
            kept = redact(record) if row_filter is secrets else record
            return kept.model_copy(update={"drop_reason": row_filter.__name__})
    return record.model_copy(update={"drop_reason": None})
