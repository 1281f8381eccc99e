"""A little travel schema and short ways to write changes, for the tests of verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.judging.communicated import communicated
from pipeline.types import Answer, Cell, CellUpdate, Change, Expected, RowDelete, RowInsert, TableShape

SHAPES = {
    "bookings": TableShape(
        name="bookings", columns=("booking_id", "customer", "flight", "cents", "made_at", "note"),
        key=("booking_id",), generated=True, references={"flight": "flights"},
        compare={"made_at": "clock", "note": "text"},
    ),
    "flights": TableShape(
        name="flights", columns=("flight", "seats_left", "booking_id"), key=("flight",), generated=False,
        references={"booking_id": "bookings"}, compare={},
    ),
    "passengers": TableShape(
        name="passengers", columns=("passenger_id", "booking_id", "name", "bag"), key=("passenger_id",), generated=True,
        references={"booking_id": "bookings"}, compare={"name": "fold"},
    ),
    "meals": TableShape(
        name="meals", columns=("passenger_id", "leg", "meal"), key=("passenger_id", "leg"), generated=False,
        references={"passenger_id": "passengers"}, compare={},
    ),
    "mails": TableShape(
        name="mails", columns=("mail_id", "recipient", "body", "sent_at"), key=("mail_id",), generated=True,
        references={}, compare={"body": "text", "sent_at": "clock"},
    ),
    "accounts": TableShape(
        name="accounts", columns=("account", "cents", "seen_at", "total"), key=("account",), generated=False,
        references={}, compare={"seen_at": "clock", "total": "derived"},
    ),
}  # fmt: skip


def booking(id: str, customer: str = "ann", flight: str = "TW1", cents: int = 12000, **more: Cell) -> RowInsert:
    row = {
        "booking_id": id,
        "customer": customer,
        "flight": flight,
        "cents": cents,
        "made_at": f"at {id}",
        "note": None,
    }
    return RowInsert(table="bookings", key=(id,), row=row | more)


def passenger(id: str, booking_id: str, name: str = "Ann", bag: int = 0) -> RowInsert:
    row: dict[str, Cell] = {"passenger_id": id, "booking_id": booking_id, "name": name, "bag": bag}
    return RowInsert(table="passengers", key=(id,), row=row)


def meal(passenger_id: str, leg: int, meal: str = "vegan") -> RowInsert:
    return RowInsert(
        table="meals", key=(passenger_id, leg), row={"passenger_id": passenger_id, "leg": leg, "meal": meal}
    )


def mail(id: str, body: str = "Dear all", recipient: str = "bo") -> RowInsert:
    row: dict[str, Cell] = {"mail_id": id, "recipient": recipient, "body": body, "sent_at": f"at {id}"}
    return RowInsert(table="mails", key=(id,), row=row)


def update(table: str, key: str, column: str, before: Cell, after: Cell) -> CellUpdate:
    return CellUpdate(table=table, key=(key,), column=column, before=before, after=after)


def delete(table: str, key: str) -> RowDelete:
    return RowDelete(table=table, key=(key,), row={})


def change(*parts: RowInsert | CellUpdate | RowDelete) -> Change:
    """A change in the order that the engine gives: by table, key, column."""
    return Change(
        inserts=tuple(sorted((p for p in parts if isinstance(p, RowInsert)), key=lambda p: (p.table, str(p.key)))),
        updates=tuple(
            sorted((p for p in parts if isinstance(p, CellUpdate)), key=lambda p: (p.table, str(p.key), p.column))
        ),
        deletes=tuple(sorted((p for p in parts if isinstance(p, RowDelete)), key=lambda p: (p.table, str(p.key)))),
    )


def outcome(*parts: RowInsert | CellUpdate | RowDelete, **more: Any) -> Expected:
    return Expected(plan=more.pop("plan", "gold"), change=change(*parts), **more)


class Reader:
    """A final state that is as the test says."""

    def __init__(self, holds: Mapping[str, bool] | None = None, broken: tuple[str, ...] = ()) -> None:
        self.holds, self.broken, self.asked = dict(holds or {}), list(broken), []

    def check(self, sql: str, bindings: Mapping[str, Cell]) -> bool:
        self.asked.append((sql, dict(bindings)))
        return self.holds[sql]

    def broken_invariants(self) -> list[str]:
        return self.broken


def told_in(text: str) -> Any:
    return lambda answer, value: communicated(answer.model_copy(update={"value": value}), text)


def answer(value: Cell, **more: Any) -> Answer:
    return Answer(label=str(value), value=value, **more)
