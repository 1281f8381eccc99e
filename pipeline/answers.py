"""An answer of DuckDB for a person's eyes, or for another program."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import orjson
from rich.table import Table

from pipeline.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.storage.query import Answer

WIDE = 60  # characters of a cell in a table
MOST = 200  # rows of a table


def print_answer(console: Console, answer: Answer, form: str) -> None:
    """Print an answer as a table, as CSV, or as JSON lines. Raises BadInput for another form."""
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    elif form == "json":
        for row in answer.rows:
            print(orjson.dumps(dict(zip(answer.columns, row, strict=True)), default=str).decode())
    elif form == "table":
        table = Table(box=None, padding=(0, 2), header_style="bold")
        for name, kind in zip(answer.columns, answer.types, strict=True):
            table.add_column(name, justify="right" if kind.upper().startswith(_NUMBERS) else "left", overflow="fold")
        for row in answer.rows[:MOST]:
            table.add_row(*(_cell(value) for value in row))
        console.print(table)
        if len(answer.rows) > MOST:
            console.print(f"{len(answer.rows) - MOST:,} more rows; --format csv prints all", highlight=False)
    else:
        raise BadInput(f"{form!r} is no form", where="--format", remedy="Choose table, csv or json.")


_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL", "UBIGINT", "UINTEGER")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= WIDE else text[: WIDE - 1] + "…"
