"""When two cells are the same: the compare modes of a domain.

`exact` is the rule; the other modes are for columns that a task does not fully decide (a time stamp, a text written by
the agent). What a text must hold (its mentions) is not decided here, because it can depend on new ids.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping

from pipeline.domain import CompareMode
from pipeline.types import Cell, CellUpdate, Change, Expected, TableShape


def fold(text: str) -> str:
    """Casefolded, without accents, with single spaces. Compatibility forms (full-width letters) become plain."""
    if text.isascii():
        return " ".join(text.casefold().split())
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join([c for c in parts if c < "\x80" or not unicodedata.combining(c)])
    # Casefolding again: a decomposition can yield upper case (as of the Kelvin sign).
    return " ".join(bare.casefold().split())


def blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def same_cell(mode: CompareMode, expected: Cell, actual: Cell) -> bool:
    """Whether `actual` will do for `expected`, neither of them being the id of a new row.

    `text`: where the plan wrote something, something must be written; where it wrote nothing, nothing (an unasked-for
    note is an effect like any other).
    """
    if expected == actual or mode in ("clock", "derived"):
        return True
    if mode == "fold":
        return isinstance(expected, str) and isinstance(actual, str) and fold(expected) == fold(actual)
    if mode == "text":
        return blank(expected) == blank(actual)
    return False


def compared_columns(shape: TableShape) -> tuple[str, ...]:
    """The columns of an inserted row that say something: all but a generated key and what is derived or clocked.

    A key column that is a reference stays in: it says which parent the row belongs to.
    """
    return tuple(
        column
        for column in shape.columns
        if not (shape.generated and column in shape.key and column not in shape.references)
        and shape.compare.get(column) not in ("clock", "derived")
    )


def unexpected_updates(
    expected: Expected, actual: Change, shapes: Mapping[str, TableShape], allow: Collection[str]
) -> tuple[CellUpdate, ...]:
    """Updated cells that no plan asked for and nothing allows.

    A `clock` cell follows its row: it is unexpected only where no other cell of the row was to change.
    """
    wanted = {(u.table, u.key, u.column) for u in expected.change.updates}
    touched = {(u.table, u.key) for u in expected.change.updates if shapes[u.table].compare.get(u.column) != "derived"}
    return tuple(
        u
        for u in actual.updates
        if (u.table, u.key, u.column) not in wanted
        and u.table not in allow
        and f"{u.table}.{u.column}" not in allow
        and (mode := shapes[u.table].compare.get(u.column, "exact")) != "derived"
        and not (mode == "clock" and (u.table, u.key) in touched)
    )
