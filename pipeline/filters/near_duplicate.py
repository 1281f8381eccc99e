"""Drop a row that says and does nearly what an earlier one did.

Compared are the user's opening and the calls, as sets of three-word shingles: over whole transcripts the system prompt
and the tools, which all rows share, would make copies of 89 % of good rows. Attempts of one task are alike on purpose
and are never held against each other.

Candidates come from MinHash with banding (Broder 1997; Leskovec and others, *Mining of Massive Datasets*, ch. 3),
then the true Jaccard similarity decides: an estimate drops nothing. A kept row costs its shingles (4 bytes each) and
its bands, about 2 KB.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from zlib import crc32

from pipeline.config import RunConfig
from pipeline.filters.facts import RowFacts, RunFacts
from pipeline.verdicts import Record

_WORD = re.compile(r"\w+")
_SHINGLE = 3  # words
_HASHES = 128
_RECALL = 0.999  # of pairs that are exactly at the threshold; above it, more
_SEED = 1


def near_duplicate(config: RunConfig, facts: RunFacts) -> Callable[[Record, RowFacts], str | None]:
    """Drops rows at least `near_duplicate` similar to an earlier kept row of another task; the first seen stays."""
    from rensa import RMinHash, RMinHashLSH

    rows_a_band, bands = banding(config.near_duplicate)
    index = RMinHashLSH(threshold=config.near_duplicate, num_perm=rows_a_band * bands, num_bands=bands)
    tasks, ends, kept = array("q"), array("q", [0]), array("I")  # row r has the shingles kept[ends[r]:ends[r + 1]]

    def judge(record: Record, row: RowFacts) -> str | None:
        found = shingles(record)
        minhash = RMinHash(num_perm=rows_a_band * bands, seed=_SEED)
        minhash.update([number.to_bytes(4, "big") for number in sorted(found)])
        for other in sorted(index.query(minhash)):
            if tasks[other] == record.task.index:
                continue
            size = ends[other + 1] - ends[other]
            most = min(size, len(found))
            if most < config.near_duplicate * max(size, len(found)):  # too unequal to be alike
                continue
            shared = len(found.intersection(kept[ends[other] : ends[other + 1]]))
            if shared >= config.near_duplicate * (size + len(found) - shared):
                return f"nearly the same as task {tasks[other]}"
        index.insert(len(tasks), minhash)
        tasks.append(record.task.index)
        kept.extend(sorted(found))
        ends.append(len(kept))
        return None

    return judge


def shingles(record: Record) -> set[int]:
    """What is compared of a row: hashes of each run of three words, within the opening and within each call."""
    opening = next((m.content or "" for m in record.trajectory.messages if m.role == "user"), "")
    parts = [opening, *(f"{call.actor} {call.name} {call.arguments}" for call in record.trajectory.calls)]
    found: set[int] = set()
    for part in parts:
        words = _WORD.findall(part.casefold())
        runs = zip(*(words[i:] for i in range(_SHINGLE)), strict=False) if len(words) >= _SHINGLE else [words]
        found.update(crc32(" ".join(run).encode()) for run in runs)
    return found


def banding(threshold: float) -> tuple[int, int]:
    """(hashes a band, bands): the longest bands, so the fewest false candidates, that still find enough true pairs."""
    for rows_a_band in range(_HASHES, 0, -1):
        bands = _HASHES // rows_a_band
        if 1 - (1 - threshold**rows_a_band) ** bands >= _RECALL:
            return rows_a_band, bands
    return 1, _HASHES
