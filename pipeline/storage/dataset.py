"""The published dataset: `dataset/{accepted,rejected}/domain=<d>/*.parquet`, written aside and swapped in whole.

Each domain has a file on both sides, even without a row, so that every reader finds the schema. Row groups hold about
1,000 rows: fifty cost 75 % more space. Rows wait as Arrow batches; when many domains fill up at once, all that wait
together take at most 48 MB, and the fullest is written early. What is written when depends on the rows alone, so the
same rows make the same files.

The swap is two renames. A kill between them leaves no `dataset`, but the old one beside it, which `repair` puts back
before the next publish; at no instant is there a half-written one.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.errors import BadInput
from pipeline.storage.files import sync_folder, write_atomic, writing
from pipeline.storage.schema import dataset_schema, to_batch

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SIDES = ("accepted", "rejected")
ROW_GROUP = 1000  # rows
MARKER = "_published.json"  # written last, read first; readers of Parquet skip names that begin with _
_WAITING = 48 << 20  # bytes of Arrow batches
_PENDING = 64  # rows before they become batches
_OPEN = 64  # files at once
_NEW, _OLD = ".dataset-new", ".dataset-old"
_Key = tuple[str, str]  # side, domain


class DatasetWriter:
    """Writes a new dataset aside; `publish` puts it in the old one's place. Leaving without that discards it.

    What a killed writer left is in the way: `repair` first.
    """

    def __init__(self, run: Path, domains: Iterable[str]) -> None:
        self._run, self._root = run, run / _NEW
        self._keys = [(side, domain) for side in SIDES for domain in domains]
        self._pending: dict[_Key, list[Mapping[str, Any]]] = {}
        self._batches: dict[_Key, list[pa.RecordBatch]] = {}
        self._writers: OrderedDict[_Key, tuple[pq.ParquetWriter, BinaryIO]] = OrderedDict()
        self._parts: Counter[_Key] = Counter()
        self.rows: Counter[str] = Counter()  # by side
        with writing(self._root):
            self._root.mkdir()

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; its side follows from `drop_reason`. Raises Incomplete when the disk is full."""
        key = ("accepted" if row["drop_reason"] is None else "rejected", row["domain"])
        self._pending.setdefault(key, []).append(row)
        self.rows[key[0]] += 1
        if sum(map(len, self._pending.values())) >= _PENDING:
            self._to_batches()

    def _to_batches(self) -> None:
        for key, rows in self._pending.items():
            self._batches.setdefault(key, []).append(to_batch(rows, dataset_schema()))
            if sum(batch.num_rows for batch in self._batches[key]) >= ROW_GROUP:
                self._write(key)
        self._pending.clear()
        sizes = {key: sum(batch.nbytes for batch in batches) for key, batches in self._batches.items()}
        while sum(sizes.values()) > _WAITING:
            fullest = max(sizes, key=lambda key: (sizes[key], key))
            self._write(fullest)
            del sizes[fullest]

    def _write(self, key: _Key) -> None:
        import pyarrow as pa

        table = pa.Table.from_batches(self._batches.pop(key, []), schema=dataset_schema())
        writer = self._writer(key)
        with writing(self._root):
            writer.write_table(table, row_group_size=max(table.num_rows, 1))

    def _writer(self, key: _Key) -> pq.ParquetWriter:
        import pyarrow.parquet as pq

        if key not in self._writers:
            while len(self._writers) >= _OPEN:
                self._close(next(iter(self._writers)))
            folder = self._root / key[0] / f"domain={key[1]}"
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                file = open(folder / f"part-{self._parts[key]:05d}.parquet", "xb")  # noqa: SIM115
            self._parts[key] += 1
            self._writers[key] = (
                pq.ParquetWriter(file, dataset_schema(), compression="zstd", compression_level=3),
                file,
            )
        self._writers.move_to_end(key)
        return self._writers[key][0]

    def _close(self, key: _Key) -> None:
        writer, file = self._writers.pop(key)
        with writing(self._root):
            writer.close()
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def publish(self, marker: bytes) -> None:
        """Finish the files and put the dataset in place. `marker` says what it was made from (`read_marker`)."""
        self._to_batches()
        for key in self._keys:
            if key in self._batches or self._parts[key] == 0:
                self._write(key)
        for key in list(self._writers):
            self._close(key)
        with writing(self._root):
            for folder in [path for path in self._root.rglob("*") if path.is_dir()]:
                sync_folder(folder)
        write_atomic(self._root / MARKER, marker)
        target = self._run / "dataset"
        with writing(target):
            if target.exists():
                os.rename(target, self._run / _OLD)
            os.rename(self._root, target)
            sync_folder(self._run)
            shutil.rmtree(self._run / _OLD, ignore_errors=True)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer, file in self._writers.values():
            with suppress(Exception):  # on a full disk the footer fails too; the first error is the one to show
                writer.close()
            with suppress(OSError):
                file.close()
        self._writers.clear()
        shutil.rmtree(self._root, ignore_errors=True)


def repair(run: Path) -> None:
    """Undo a swap that was killed, and remove what it left; only for the holder of the run's lock."""
    target, new, old = run / "dataset", run / _NEW, run / _OLD
    with writing(target):
        if old.exists() and not target.exists():
            os.rename(old, target)
        for rest in (new, old):
            if rest.exists():
                shutil.rmtree(rest)


def read_marker(run: Path) -> bytes | None:
    """What the dataset in place was made from; None when there is no dataset."""
    try:
        return (run / "dataset" / MARKER).read_bytes()
    except FileNotFoundError:
        return None


def dataset_files(run: Path) -> dict[str, list[Path]]:
    """The Parquet files of both sides. Raises BadInput when nothing was published yet."""
    if read_marker(run) is None:
        remedy = "Run the same `toolworlds generate` command again: it finishes and publishes the run."
        raise BadInput("this run has no dataset yet", where=str(run), remedy=remedy)
    return {side: sorted((run / "dataset" / side).glob("domain=*/*.parquet")) for side in SIDES}


def read_rows(run: Path, sides: Iterable[str] = SIDES, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The published rows, streamed: accepted first, by domain, each domain in work-list order.

    Raises BadInput when there is no dataset, or a file of it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = dataset_files(run)
    for file in [file for side in sides for file in files[side]]:
        try:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(_PENDING, columns=columns, use_threads=False):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            remedy = "Remove the dataset folder and run the same `toolworlds generate` command again: it is made anew."
            raise BadInput(f"cannot be read: {error}", where=str(file), remedy=remedy) from None
