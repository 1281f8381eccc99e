"""Audits find each class of contradiction where it is planted, and none where none is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.trust.audit import KINDS, Audit, Kind, audit
from pipeline.types import Change
from pipeline.world import CompiledDomain, compile_domain, find_domain, load_source
from pipeline.world.change import ChangeReader
from pipeline.world.session import Session

FLAGSHIPS = ("banking", "retail", "telecom", "travel")
CALLS = 600


def edited(toy: Path, folder: Path, *edits: tuple[str, str, str]) -> CompiledDomain:
    """The toy domain in which texts were replaced: (file, old, new)."""
    shutil.copytree(toy, folder / "toy")
    for name, old, new in edits:
        file = folder / "toy" / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{name} does not hold {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")
    return compile_domain(load_source(folder / "toy"))


def kinds(found: Audit) -> set[Kind]:
    return {kind for kind, count in found.by_kind.items() if count}


def test_the_toy_domain_contradicts_itself_nowhere(toy: Path) -> None:
    found = audit(compile_domain(load_source(toy)), 2000)
    assert found.by_kind == dict.fromkeys(KINDS, 0), found.found[:5]
    assert found.calls >= 2000
    assert min(found.refused, found.writes, found.faults) > 100, "the calls are of every sort"


def test_the_same_audit_comes_out_the_same(toy: Path) -> None:
    compiled = compile_domain(load_source(toy))
    assert audit(compiled, 100) == audit(compiled, 100)
    assert audit(compiled, 100) != audit(compiled, 100, seed=1)


FINES = "UPDATE members SET fines_cents = :fines_cents WHERE member_id = :member_id"
BOOK = "    - {sql: SELECT 1 FROM books WHERE book_id = :book_id, otherwise: Book not found.}\n"
DAY = "    - {sql: SELECT :pickup_by > :today"
OPEN = "CREATE VIEW open_loans"
DESK = f"CREATE VIEW desk AS SELECT member_id, max(fines_cents, 120) AS fines_cents FROM members;\n{OPEN}"
BROKEN: dict[str, tuple[Kind, list[tuple[str, str, str]]]] = {
    "a constraint fails behind the guards": (
        "defect",
        [("tools.yaml", "minimum: 0, maximum: 10000", "minimum: -9, maximum: 99")],
    ),
    "a write returns what it did not write": (
        "read_after_write",
        [
            ("schema.sql", OPEN, DESK),
            ("tools.yaml", "returns: SELECT member_id, fines_cents FROM members", "returns: SELECT * FROM desk"),
        ],
    ),
    "a look-up lags behind a write": (
        "read_after_write",
        [
            ("schema.sql", OPEN, DESK),
            ("population.yaml", "{0: 6, 120: 2,", "{120: 8,"),
            (
                "tools.yaml",
                "returns: SELECT member_id, name, fines_cents FROM members WHERE",
                "returns: SELECT d.member_id, name, d.fines_cents FROM members JOIN desk d USING (member_id) WHERE",
            ),
        ],
    ),
    "an effect breaks what is conserved": (
        "invariant",
        [("tools.yaml", FINES, f"{FINES}\n    - UPDATE books SET copies_free = max(0, copies_free - 1)")],
    ),
    "a look-up tells the time": (
        "repeat",
        [("tools.yaml", "returns: SELECT member_id, name, fines_cents", "returns: SELECT member_id, :now AS name")],
    ),
}


@pytest.mark.parametrize(("kind", "edits"), BROKEN.values(), ids=BROKEN)
def test_a_domain_that_contradicts_itself_is_found_out(
    toy: Path, tmp_path: Path, kind: Kind, edits: list[tuple[str, str, str]]
) -> None:
    assert kinds(audit(edited(toy, tmp_path, *edits), CALLS)) >= {kind}


def test_an_engine_that_does_not_roll_back_a_refused_call_is_found_out(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = "CREATE TRIGGER late BEFORE UPDATE OF fines_cents ON members BEGIN SELECT RAISE(ABORT, 'Ask.'); END;\n"
    compiled = edited(
        toy,
        tmp_path,
        ("schema.sql", OPEN, trigger + OPEN),
        ("tools.yaml", FINES, f"UPDATE members SET name = name || '!' WHERE member_id = :member_id\n    - {FINES}"),
    )
    assert not audit(compiled, CALLS).found

    @contextmanager
    def call(self: Session) -> Iterator[None]:
        yield  # what was done before the refusal stays

    monkeypatch.setattr(Session, "call", call)
    assert kinds(audit(compiled, CALLS)) == {"refused_wrote"}


def test_change_capture_that_misses_a_table_is_found_out(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = ChangeReader.read

    def forgetful(self: ChangeReader, session: Session) -> Change:
        change = read(self, session)
        return change.model_copy(update={"inserts": tuple(i for i in change.inserts if i.table != "notes")})

    monkeypatch.setattr(ChangeReader, "read", forgetful)
    assert "capture" in kinds(audit(compile_domain(load_source(toy)), CALLS))


def test_a_reference_to_nothing_is_found_out(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loose = ("tools.yaml", BOOK + DAY, DAY)
    compiled = edited(toy, tmp_path, loose)
    assert kinds(audit(compiled, CALLS)) == {"defect"}
    begin = Session.__init__

    def unchecked(self: Session, image: bytes, access: object, **how: bool) -> None:
        begin(self, image, access, **{**how, "foreign_keys": False})

    monkeypatch.setattr(Session, "__init__", unchecked)
    assert kinds(audit(compiled, CALLS)) == {"foreign_key"}


def test_state_that_leaks_into_the_next_episode_is_found_out(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undo = Session.undo

    def keeps(self: Session) -> None:
        if not self.access.writes:
            return undo(self)
        self.own("COMMIT")
        self.own("BEGIN")

    monkeypatch.setattr(Session, "undo", keeps)
    assert "leak" in kinds(audit(compile_domain(load_source(toy)), CALLS))


@pytest.mark.verify
@pytest.mark.parametrize("domain", FLAGSHIPS)
def test_a_flagship_contradicts_itself_nowhere_in_100_000_calls(domain: str) -> None:
    found = audit(compile_domain(load_source(find_domain(domain))), 100_000)
    assert found.calls >= 100_000
    assert found.by_kind == dict.fromkeys(KINDS, 0), "\n".join(str(one) for one in found.found[:20])


@pytest.mark.parametrize("domain", FLAGSHIPS)
def test_a_flagship_contradicts_itself_nowhere_in_a_few_calls(domain: str) -> None:
    found = audit(compile_domain(load_source(find_domain(domain))), 500, seed=1)
    assert found.by_kind == dict.fromkeys(KINDS, 0), "\n".join(str(one) for one in found.found[:20])
