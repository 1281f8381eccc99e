"""Every row of a database, read plainly: for whoever compares whole states and trusts no bookkeeping of changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from pipeline.types import Cell
from pipeline.world.change import quoted

Rows = dict[str, list[dict[str, Cell]]]
"""Table → all its rows."""


def read_rows(image: bytes, tables: Iterable[str]) -> Rows:
    """All rows of these tables in a database image."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(image)
        connection.row_factory = sqlite3.Row
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {quoted(table)}")] for table in tables}
    finally:
        connection.close()
