"""When things happened and what they cost: the only place in a run that knows a clock.

The dataset must be the same whether a run was killed or not, on one worker or on many; so every wall-clock fact goes
here and nowhere else. Notes are lines that are appended while the run works; a torn line (a kill, a full disk) costs
that note and nothing else. At the end of a command they become `ledger.parquet`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson

from pipeline.storage.files import write_all, write_atomic, writing

LINES, TABLE = "ledger.jsonl", "ledger.parquet"
_COLUMNS = ("command", "happened_at", "event", "wall_seconds", "cpu_seconds", "shard", "count", "detail")


class Ledger:
    """Notes of one command on one run.

    command: which command this is, counted from 0 over the life of the run. Seconds count from the start of the
    process, so that they hold what a person waited for, imports included.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._start = time.perf_counter() - _process_age()
        self.command = 1 + max((line["command"] for line in self._lines()), default=-1)

    def note(self, event: str, *, shard: int | None = None, count: int | None = None, **detail: Any) -> None:
        """Write down that something happened now. `detail` takes what no column of its own is kept for, as JSON.

        Raises Incomplete when the disk is full.
        """
        line = {
            "command": self.command,
            "happened_at": time.time_ns() // 1_000_000,
            "event": event,
            "wall_seconds": round(time.perf_counter() - self._start, 4),
            "cpu_seconds": round(time.process_time(), 4),
            "shard": shard,
            "count": count,
            "detail": orjson.dumps(detail, option=orjson.OPT_SORT_KEYS, default=str).decode() if detail else None,
        }
        file = self._run / LINES
        with writing(file):
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:  # one write, and a newline before it: a note torn by a kill does not spoil the next
                write_all(descriptor, b"\n" + orjson.dumps(line) + b"\n")
            finally:
                os.close(descriptor)

    def compact(self) -> None:
        """Write every note so far, of this and of earlier commands, as `ledger.parquet`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from pipeline.storage.schema import ledger_schema, to_batch

        sink = pa.BufferOutputStream()
        batch = to_batch(self._lines(), ledger_schema())
        pq.write_table(pa.Table.from_batches([batch]), sink, compression="zstd", compression_level=3)
        write_atomic(self._run / TABLE, sink.getvalue().to_pybytes())

    def _lines(self) -> list[dict[str, Any]]:
        try:
            data = (self._run / LINES).read_bytes()
        except FileNotFoundError:
            return []
        lines = []
        for line in data.splitlines():
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(value, dict) and isinstance(value.get("command"), int):
                lines.append({name: value.get(name) for name in _COLUMNS})
        return lines


def _process_age() -> float:
    """Seconds since this process was started; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
