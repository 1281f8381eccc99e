"""What the models of a run answered, call by call: `completions/*.parquet`, a file a piece of work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.types import Answered
from pipeline.storage.files import write_atomic


def write_completions(file: Path, answered: Sequence[Answered]) -> None:
    """Write the answers of one piece of work, whole or not at all. Raises Incomplete when the disk is full."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.storage.schema import completion_row, completions_schema, to_batch

    rows = [completion_row(number, each) for number, each in enumerate(answered)]
    out = pa.BufferOutputStream()
    table = pa.Table.from_batches([to_batch(rows, completions_schema())])
    pq.write_table(table, out, compression="zstd", compression_level=3)
    file.parent.mkdir(exist_ok=True)
    write_atomic(file, out.getvalue().to_pybytes())
