"""The last arrow: everything that depends on the whole run, then the dataset, the funnel and the card.

Committed shards are streamed in work-list order. What a row gains here (how often its task passed, whether it is a
copy, over a cap or out of a quarantined domain) follows from the commits and the config alone, so it does not matter
how often or where the run was killed, or how it was extended. Publishing what is published already changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from engine.types import canonical_json
from pipeline.config import RunConfig
from pipeline.filters import NAMES, RUN_FILTERS, RowFacts, RunFacts
from pipeline.identity import content_hash
from pipeline.storage.card import card
from pipeline.storage.dataset import DatasetWriter, read_marker, repair
from pipeline.storage.files import write_atomic
from pipeline.storage.funnel import Funnel, Step
from pipeline.storage.inputs import inputs_hash
from pipeline.storage.query import query
from pipeline.storage.schema import dataset_row, dataset_schema, split_of
from pipeline.storage.shards import CommittedShard, RunFolder
from pipeline.trust.attribution import attribute
from pipeline.verdicts import Record


def publish(
    folder: RunFolder,
    config: RunConfig,
    *,
    categories: Mapping[str, str],
    provenance: Mapping[str, Any] | None = None,
) -> Funnel:
    """Write dataset, funnel.json and README.md from what is committed; returns the funnel, which closes.

    categories: of each domain. provenance: what besides code version, inputs and models made the rows, such as
    sampling; the same for every row, and free of times and hosts.
    Raises BadInput when a committed file is missing or changed, Incomplete when the disk is full; the dataset that was
    published before then stays as it was.
    """
    repair(folder.path)
    made_from = _made_from(folder, config, categories, provenance)
    if (funnel := _published(folder, config, made_from)) is not None:
        return funnel
    counts, whole = _Counts(), WholeRun(folder, config, categories, provenance)
    with DatasetWriter(folder.path, config.domains) as writer:
        for shard in folder.read_committed():
            counts.positions += len(shard.tasks) + len(shard.dropped)
            counts.tasks += len(shard.tasks)
            counts.dropped.update(task.reason for task in shard.dropped)
            for attempts in whole.by_task(shard):
                counts.asked += max(config.attempts, len(attempts))
                for record, row in attempts:
                    counts.add(record)
                    writer.add(row)
        funnel = counts.funnel(config)
        if (writer.rows["accepted"], writer.rows["rejected"]) != (funnel.accepted, funnel.rejected):
            raise RuntimeError(f"wrote {dict(writer.rows)} rows, but the funnel says {funnel}")
        writer.publish(canonical_json({"made_from": made_from, "funnel": funnel.json_text()}).encode())
    _write_beside(folder, config, funnel)
    return funnel


class WholeRun:
    """How committed records become rows. A row filter may look at the whole run, so shards are to come in order."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        categories: Mapping[str, str],
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder, self._config, self._categories = folder, config, categories
        facts = RunFacts(defects=Counter(d for d, status in folder.statuses() if status == "domain_defect"))
        self._filters = [(make.__name__, make(config, facts)) for make in RUN_FILTERS]
        self._provenance = canonical_json(
            {
                "version": folder.versions.get("toolworlds", ""),
                "inputs": inputs_hash(folder.input_hashes),
                "models": {"agent": config.agent, "user": config.user, "judge": config.judge},
                "sampling": {},
            }
            | dict(provenance or {})
        )

    def by_task(self, shard: CommittedShard) -> Iterator[list[tuple[Record, dict[str, Any]]]]:
        """For each task of a shard its records, with the final drop reason, and their rows."""
        for _, group in groupby(shard.records(), key=lambda record: record.task.index):
            attempts = list(group)
            facts = RowFacts(len(attempts), sum(record.verdict.passed is True for record in attempts))
            decided = [self._decide(record, facts) for record in attempts]
            yield [(record, self._row(record, facts)) for record in decided]

    def _decide(self, record: Record, facts: RowFacts) -> Record:
        if record.drop_reason is not None:
            return record
        reason = next((name for name, keep in self._filters if keep(record, facts) is not None), None)
        return record.model_copy(update={"drop_reason": reason})

    def _row(self, record: Record, facts: RowFacts) -> dict[str, Any]:
        return dataset_row(
            record,
            category=self._categories[record.task.domain],
            fingerprint=self._folder.fingerprint,
            split=split_of(record.task.domain, len(self._config.domains)),
            judge=self._config.judge,
            attempts=facts.attempts,
            passes=facts.passes,
            attribution=attribute(record),
            provenance=self._provenance,
        )


def up_to_date(folder: RunFolder, config: RunConfig, *, categories: Mapping[str, str]) -> bool:
    """Whether the dataset in place is made from all that is committed now; for readers: nothing is written."""
    marker = read_marker(folder.path)
    return marker is not None and orjson.loads(marker).get("made_from") == _made_from(folder, config, categories, None)


def published(
    folder: RunFolder,
    config: RunConfig,
    *,
    categories: Mapping[str, str],
    provenance: Mapping[str, Any] | None = None,
) -> bool:
    """Whether `publish` with the same arguments would change nothing."""
    return _published(folder, config, _made_from(folder, config, categories, provenance)) is not None


def _made_from(
    folder: RunFolder, config: RunConfig, categories: Mapping[str, str], provenance: Mapping[str, Any] | None
) -> str:
    commits = [[commit.name, *(file.content for file in commit.files.values())] for commit in folder.commits()]
    asked = [config.tasks, config.attempts, folder.fingerprint]
    columns = dataset_schema().names  # a dataset without a column that rows have by now is made anew
    return content_hash([commits, asked, dict(categories), dict(provenance or {}), columns])


def _published(folder: RunFolder, config: RunConfig, made_from: str) -> Funnel | None:
    """The funnel of the dataset in place, if that is what would be made now."""
    marker = read_marker(folder.path)
    found = orjson.loads(marker) if marker else {}
    if found.get("made_from") != made_from:
        return None
    funnel = Funnel.model_validate_json(found["funnel"])
    _write_beside(folder, config, funnel)  # a kill may have come between the dataset and these
    return funnel


def _write_beside(folder: RunFolder, config: RunConfig, funnel: Funnel) -> None:
    _put(folder.path / "funnel.json", funnel.json_text())
    trust = query(folder.path, "trust")  # reads the funnel too
    _put(folder.path / "README.md", card(folder.path.name, config, folder.fingerprint, folder.versions, funnel, trust))


def _put(file: Path, text: str) -> None:
    if not file.exists() or file.read_bytes() != text.encode():
        write_atomic(file, text.encode())


class _Counts:
    """What the funnel is made of, counted while rows pass by."""

    def __init__(self) -> None:
        self.positions = self.tasks = self.asked = self.rows = 0
        self.dropped: Counter[str] = Counter()  # tasks, by reason
        self.statuses: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = {name: Counter() for name in NAMES}

    def add(self, record: Record) -> None:
        status = record.trajectory.status
        self.rows += 1
        self.statuses[status] += 1
        if record.drop_reason is not None:
            why = status if record.drop_reason == "finished" else record.drop_reason
            self.reasons[record.drop_reason][why] += 1

    def funnel(self, config: RunConfig) -> Funnel:
        asked = max(config.tasks, self.positions)
        undone = {"undone": asked - self.positions} if asked > self.positions else {}
        steps = [_step("tasks", "task", asked, self.tasks, dict(self.dropped) | undone)]
        undone = {"undone": self.asked - self.rows} if self.asked > self.rows else {}
        steps.append(_step("episodes", "episode", self.asked, self.rows, undone))
        left = self.rows
        for name in NAMES:
            gone = dict(self.reasons[name])
            steps.append(_step(name, "row", left, left - sum(gone.values()), gone))
            left = steps[-1].kept
        statuses = {name: self.statuses[name] for name in sorted(self.statuses)}
        return Funnel(steps=tuple(steps), statuses=statuses, accepted=left, rejected=self.rows - left).check()


def _step(name: str, unit: str, came: int, kept: int, dropped: dict[str, int]) -> Step:
    return Step.model_validate(
        {"name": name, "unit": unit, "in": came, "kept": kept, "dropped": dict(sorted(dropped.items()))}
    )
