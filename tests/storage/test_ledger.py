"""The ledger survives torn notes, counts commands, and becomes a typed table."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import Incomplete
from pipeline.storage.ledger import Ledger
from pipeline.storage.schema import ledger_schema


def test_notes_become_a_typed_table(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.note("first_journal_row", shard=3, count=1, tool="search")
    ledger.note("done")
    ledger.compact()
    table = pq.read_table(tmp_path / "ledger.parquet")
    assert table.schema.equals(ledger_schema())
    first, done = table.to_pylist()
    assert (first["event"], first["shard"], first["count"], first["detail"]) == (
        "first_journal_row", 3, 1, '{"tool":"search"}',
    )  # fmt: skip
    assert done["shard"] is None
    assert done["detail"] is None
    assert 0 < first["wall_seconds"] <= done["wall_seconds"]
    assert first["cpu_seconds"] > 0


def test_a_torn_note_costs_only_itself_and_each_command_counts(tmp_path: Path) -> None:
    Ledger(tmp_path).note("first")
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"command": 0, "event": "to')
    second = Ledger(tmp_path)
    second.note("second")
    second.compact()
    rows = pq.read_table(tmp_path / "ledger.parquet").to_pylist()
    assert [(row["command"], row["event"]) for row in rows] == [(0, "first"), (1, "second")]


def test_without_a_note_the_table_is_empty_and_readable(tmp_path: Path) -> None:
    Ledger(tmp_path).compact()
    assert pq.read_table(tmp_path / "ledger.parquet").num_rows == 0


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    (tmp_path / "ledger.jsonl").symlink_to("/dev/full")
    with pytest.raises(Incomplete, match="Free some space"):
        ledger.note("x")
