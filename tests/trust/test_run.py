"""A run says how far it can be believed: in trust.json, in its card, and when asked."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.storage.query import query
from pipeline.storage.trust_file import NAME, read_trust
from tests.e2e.commands import generate, succeed


def test_a_run_is_measured_and_its_card_shows_what_the_question_answers(small_run: Path) -> None:
    trust = read_trust(small_run)
    assert trust is not None and {figure.part for figure in trust.figures} == {"hand_checked", "audit", "users"}
    answer = query(small_run, "trust")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    card = (small_run / "README.md").read_text(encoding="utf-8").partition("## Can it be trusted?")[2]
    for row in rows:
        assert row["found"] is None or 0 <= row["low"] <= row["rate"] <= row["high"] <= 1
        if row["found"]:
            assert f"| {row['finding']} | {row['found']} | {row['out_of']} |" in card
    right = next(row for row in rows if row["finding"] == "verdicts as labelled")
    assert right["found"] == right["out_of"] >= 10
    assert {row["found"] for row in rows if row["part"] in ("audit", "users")} == {0}
    assert "none of capture, defect" in card


def test_a_complete_run_that_was_never_measured_is_measured_by_the_same_command(tmp_path: Path) -> None:
    command = generate(tmp_path / "run", 2, 1)
    succeed(*command)
    before = (tmp_path / "run" / "README.md").read_text()
    (tmp_path / "run" / NAME).unlink()
    assert "nothing is left" not in succeed(*command).out
    assert (tmp_path / "run" / "README.md").read_text() == before
    assert "nothing is left" in succeed(*command).out


def test_a_measure_of_another_day_changes_no_row(small_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    (run / NAME).unlink()
    assert query(run, "SELECT * FROM rows ORDER BY episode_id") == query(
        small_run, "SELECT * FROM rows ORDER BY episode_id"
    )
    assert any("no trust.json" in str(row) for row in query(run, "trust").rows)
