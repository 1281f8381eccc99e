"""The journal gives back what was appended, whatever a kill or a full disk did to its end, and refuses to guess."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadInput, Incomplete
from pipeline.storage.journal import Entry, Journal, read_journal

ENTRIES = [("episode", {"n": n, "text": f"ligne {n} é\n"}) for n in range(5)]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "00000.jsonl"
    with Journal.open(path, "run") as journal:
        for kind, payload in ENTRIES:
            journal.append(kind, payload)
    return path


def entries(path: Path) -> list[tuple[str, dict]]:
    return [(entry.kind, entry.payload) for entry in read_journal(path, "run").entries]


def test_what_was_appended_is_read_back_in_order(written: Path) -> None:
    assert entries(written) == ENTRIES
    assert read_journal(written, "run").torn == 0


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.jsonl", "run").entries == ()


def test_an_entry_is_readable_before_any_flush(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal.open(path, "run", group=None) as journal:
        journal.append("a", {"n": 1})
        assert read_journal(path, "run").entries == (Entry("a", {"n": 1}),)


def test_cut_at_any_byte_only_whole_entries_remain_and_work_goes_on(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    path = tmp_path / "cut.jsonl"
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = max(0, sum(end <= cut for end in ends) - 1)
        with Journal.open(path, "run", group=None) as journal:
            assert journal.torn == cut - max((end for end in ends if end <= cut), default=0)
            assert [(e.kind, e.payload) for e in journal.recovered] == ENTRIES[:whole]
            journal.append("after", {})
        assert entries(path) == [*ENTRIES[:whole], ("after", {})]


def test_a_last_line_that_a_power_cut_left_in_zeros_is_torn(written: Path) -> None:
    data = written.read_bytes()
    written.write_bytes(data[:-20] + bytes(20))
    assert entries(written) == ENTRIES[:-1]
    written.write_bytes(data + bytes(4096))
    content = read_journal(written, "run")
    assert len(content.entries) == len(ENTRIES)
    assert content.torn == 4096


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_never_taken_for_an_entry(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("j") / "j.jsonl"
    with Journal.open(path, "run", group=None) as journal:
        for kind, payload in ENTRIES:
            journal.append(kind, payload)
    raw = bytearray(path.read_bytes())
    where = data.draw(st.integers(0, len(raw) - 1))
    raw[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(raw))
    try:
        found = entries(path)
    except BadInput:
        return
    assert found == ENTRIES[: len(found)]
    # only what stands last can count as torn; without the end of line before it, the last two lines are one
    assert len(found) >= len(ENTRIES) - (2 if raw.count(b"\n") < len(ENTRIES) + 1 else 1)


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_damaged_line_before_good_ones_is_refused_with_its_number(written: Path, line: int) -> None:
    lines = written.read_bytes().split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b'"', b"'", 3)
    written.write_bytes(b"\n".join(lines))
    with pytest.raises(BadInput, match=rf"00000\.jsonl:{line}: .*damaged") as caught:
        Journal.open(written, "run")
    assert "Remove" in caught.value.remedy
    assert written.read_bytes() == b"\n".join(lines)  # refusing changes nothing


@pytest.mark.parametrize("text", [b"hello\nworld\n", b"no newline", b'{"a": 1}\n', b"\x7fELF\n\n"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "00000.jsonl"
    path.write_bytes(text)
    with pytest.raises(BadInput, match="not a journal of this run"):
        Journal.open(path, "run")
    assert path.read_bytes() == text


def test_foreign_text_after_good_entries_is_refused(written: Path) -> None:
    with written.open("ab") as file:
        file.write(b"someone's notes\n")
    with pytest.raises(BadInput, match=r":7: .*damaged"):
        read_journal(written, "run")


def test_a_journal_of_another_run_is_refused(written: Path) -> None:
    with pytest.raises(BadInput, match="not a journal of this run"):
        read_journal(written, "another")


def test_flushing_is_grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with Journal.open(tmp_path / "j.jsonl", "run", group=4) as journal:
        for n in range(9):
            journal.append("a", {"n": n})
        assert len(synced) == 2
        journal.flush()
        assert len(synced) == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_leaves_no_part_of_a_line_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "j.jsonl"
    write = os.write
    room = 200

    def full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(number, os.strerror(number))
        taken = write(descriptor, bytes(data)[:room])  # a disk takes what fits, then refuses the rest
        room -= taken
        return taken

    with Journal.open(path, "run", group=None) as journal:
        monkeypatch.setattr(os, "write", full)
        journal.append("fits", {"n": 1})
        with pytest.raises(Incomplete, match=r"(?s)j\.jsonl.*Free some space.*resumes"):
            journal.append("too much", {"text": "x" * 500})
        content = read_journal(path, "run")
        assert content.entries == (Entry("fits", {"n": 1}),)
        assert content.torn == 0
        monkeypatch.undo()
        journal.append("again", {})
    assert [entry.kind for entry in read_journal(path, "run").entries] == ["fits", "again"]
