"""What changed in a world since it was made: capture by triggers, net change, hashes.

The triggers are baked into the world's image (TEMP triggers cost ten times as much a reset). They note each touched
row once, with what it was; the net change compares that with what it is now. So book-then-cancel of the same row nets
to nothing, and a change costs what it touched, not what the world holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson

from pipeline.domain import Domain
from pipeline.identity import content_hash
from pipeline.types import Cell, CellUpdate, Change, RowDelete, RowInsert, TableShape
from pipeline.world.session import Session

EMPTY_HASH = content_hash({"inserts": [], "updates": [], "deletes": []})


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def read_shapes(connection: sqlite3.Connection, domain: Domain) -> dict[str, TableShape]:
    """The tables of a schema as verdicts see them. The connection must have no authorizer yet.

    Raises ValueError when a table is not STRICT, has no primary key, a bad name, or a type other than TEXT and INTEGER
    (amounts are integer minor units; real numbers compare badly and do not survive JSON).
    """
    shapes = {}
    for kind, name in connection.execute("SELECT type, name FROM sqlite_schema").fetchall():
        if name.startswith("_"):
            raise ValueError(f"{kind} {name}: names that begin with _ are the engine's")
    for _, name, kind, _, _, strict in connection.execute("PRAGMA main.table_list").fetchall():
        if kind == "view" or name.startswith("sqlite_"):
            continue
        if kind != "table" or not strict:
            raise ValueError(f"table {name} is not STRICT")
        info = connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
        for _, column, type_, *_ in info:
            if type_ not in ("TEXT", "INTEGER", "INT"):
                raise ValueError(f"{name}.{column} is {type_}: columns are TEXT or INTEGER")
        key = tuple(row[1] for row in sorted((r for r in info if r[5]), key=lambda r: r[5]))
        if not key:
            raise ValueError(f"table {name} has no primary key")
        links: dict[int, list[tuple[str, str]]] = {}
        for link in connection.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchall():
            links.setdefault(link[0], []).append((link[3], link[2]))
        shapes[name] = TableShape(
            name=name,
            columns=tuple(row[1] for row in info),
            key=key,
            generated=name in domain.ids and len(key) == 1,
            references={link[0][0]: link[0][1] for link in links.values() if len(link) == 1},
            compare={
                column: mode
                for path, mode in domain.compare.items()
                for table, _, column in [path.partition(".")]
                if table == name
            },
        )
    return shapes


def capture_sql(shapes: Mapping[str, TableShape]) -> str:
    """The script that adds the capture table and its triggers to a populated database."""
    out = ["CREATE TABLE _touched (tbl TEXT, key TEXT, row TEXT, PRIMARY KEY (tbl, key)) WITHOUT ROWID;"]
    for shape in shapes.values():
        name = shape.name.replace("'", "''")

        def key(row: str, shape: TableShape = shape) -> str:
            return "json_array(" + ", ".join(f"{row}.{quoted(column)}" for column in shape.key) + ")"

        def note(row: str, was: str, name: str = name) -> str:
            # INSERT OR IGNORE would not do: a trigger takes over the conflict clause of the statement that fired it
            return (
                f"INSERT INTO _touched SELECT '{name}', {key(row)}, {was}"
                f" WHERE NOT EXISTS (SELECT 1 FROM _touched WHERE tbl = '{name}' AND key = {key(row)});"
            )

        old = "json_array(" + ", ".join(f"OLD.{quoted(column)}" for column in shape.columns) + ")"
        for event, body in (
            ("INSERT", note("NEW", "NULL")),
            ("UPDATE", note("OLD", old) + " " + note("NEW", "NULL")),
            ("DELETE", note("OLD", old)),
        ):
            trigger = quoted(f"_capture_{event.lower()}_{shape.name}")
            out.append(f"CREATE TRIGGER {trigger} AFTER {event} ON {quoted(shape.name)} BEGIN {body} END;")
    return "\n".join(out)


class ChangeReader:
    """Reads the net change of a session; the SQL is made once per domain."""

    def __init__(self, shapes: Mapping[str, TableShape]) -> None:
        self._shapes = shapes
        self._now = {
            shape.name: "SELECT {} FROM {} WHERE {}".format(
                ", ".join(map(quoted, shape.columns)),
                quoted(shape.name),
                _where(shape),
            )
            for shape in shapes.values()
        }

    def read(self, session: Session) -> Change:
        """Net change, end against start, sorted by table and key."""
        inserts, updates, deletes = [], [], []
        touched = session.own("SELECT tbl, key, row FROM _touched ORDER BY tbl, key").fetchall()
        for table, key_text, was_text in touched:
            shape = self._shapes[table]
            key: tuple[Cell, ...] = tuple(orjson.loads(key_text))
            now = session.own(self._now[table], key).fetchone()
            was = None if was_text is None else orjson.loads(was_text)
            if was is None and now is not None:
                row = dict(zip(shape.columns, now, strict=True))
                inserts.append(RowInsert.model_construct(table=table, key=key, row=row))
            elif was is not None and now is None:
                row = dict(zip(shape.columns, was, strict=True))
                deletes.append(RowDelete.model_construct(table=table, key=key, row=row))
            elif was is not None and now is not None:
                for column, before, after in zip(shape.columns, was, now, strict=True):
                    if before != after:
                        updates.append(
                            CellUpdate.model_construct(table=table, key=key, column=column, before=before, after=after)
                        )
        return Change.model_construct(inserts=tuple(inserts), updates=tuple(updates), deletes=tuple(deletes))


def change_json(change: Change) -> dict[str, list[dict[str, object]]]:
    """A change as plain JSON values: what hashes and datasets hold."""
    return {
        "inserts": [{"table": i.table, "key": list(i.key), "row": i.row} for i in change.inserts],
        "updates": [
            {"table": u.table, "key": list(u.key), "column": u.column, "before": u.before, "after": u.after}
            for u in change.updates
        ],
        "deletes": [{"table": d.table, "key": list(d.key), "row": d.row} for d in change.deletes],
    }


def change_hash(change: Change) -> str:
    """Hash of a change: the state hash that calls record."""
    return EMPTY_HASH if change.empty else content_hash(change_json(change))


def state_after(before: str, change: str) -> str:
    """The hash of a state, given the hash of the world that it came from and of the change since."""
    return before if change == EMPTY_HASH else content_hash({"before": before, "change": change})


def apply_change(session: Session, shapes: Mapping[str, TableShape], change: Change) -> None:
    """Bring a database that is at the start to the end that a change describes (for judging stored trajectories).

    The image must have no triggers and no foreign keys enforced: the change holds their consequences already. All
    touched rows go before any comes back, so that UNIQUE never sees a state in between.
    """
    gone = {(d.table, d.key) for d in change.deletes}
    back: list[tuple[str, dict[str, Cell]]] = [(i.table, i.row) for i in change.inserts]
    rows: dict[tuple[str, tuple[Cell, ...]], dict[str, Cell]] = {}
    for cell in change.updates:
        shape, where = shapes[cell.table], _where(shapes[cell.table])
        if (cell.table, cell.key) not in rows:
            columns = ", ".join(map(quoted, shape.columns))
            row = session.own(f"SELECT {columns} FROM {quoted(cell.table)} WHERE {where}", cell.key).fetchone()
            rows[cell.table, cell.key] = dict(zip(shape.columns, row, strict=True))
        rows[cell.table, cell.key][cell.column] = cell.after
    back += [(table, row) for (table, _), row in rows.items()]
    for table, key in (*gone, *rows):
        session.own(f"DELETE FROM {quoted(table)} WHERE {_where(shapes[table])}", key)
    for table, row in back:
        names, marks = ", ".join(map(quoted, row)), ", ".join("?" * len(row))
        session.own(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", tuple(row.values()))


def _where(shape: TableShape) -> str:
    """The row of a key, to the letter: a column may have a collation of its own."""
    return " AND ".join(f"{quoted(column)} COLLATE BINARY IS ?" for column in shape.key)


def world_hash(connection: sqlite3.Connection, shapes: Mapping[str, TableShape]) -> str:
    """Hash of every row of every table: what `state_before` says of a world."""
    return content_hash(
        {
            name: connection.execute(
                "SELECT {} FROM {} ORDER BY {}".format(
                    ", ".join(map(quoted, shape.columns)), quoted(name), ", ".join(map(quoted, shape.key))
                )
            ).fetchall()
            for name, shape in sorted(shapes.items())
        }
    )
