"""The ladder refuses what is broken, at its rung, with file and line; and lets the toy domain pass.

Each variant is the toy domain with one small edit, of the kind that people and models make.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import pytest
import yaml

from pipeline.check import RUNGS, Refusal, check_domain

ROOT = Path(__file__).resolve().parents[2]


MANY = "  returns:\n    many: >-\n      SELECT book_id"


class Broken(NamedTuple):
    """One edit of the toy domain and the refusal that it must meet; see broken.yaml."""

    name: str
    file: str
    old: str
    new: str
    rung: str
    says: str
    at: str
    in_file: str = ""
    more: dict[str, str] = {}  # file → text to add at its end


VARIANTS = [Broken(**case) for case in yaml.safe_load(Path(__file__).with_name("broken.yaml").read_text())]


def variant(toy: Path, into: Path, case: Broken) -> Path:
    """A copy of the toy domain with one edit."""
    folder = into / "toy"
    copytree(toy, folder)
    file = folder / case.file
    text = file.read_text()
    assert case.old in text, f"the edit {case.name!r} finds nothing to change"
    file.write_text(text.replace(case.old, case.new, 1))
    for name, added in case.more.items():
        (folder / name).write_text((folder / name).read_text() + added)
    return folder


def line_of(text: str, mark: str) -> int:
    """The line on which `mark` begins (1 for an empty mark)."""
    assert text.count(mark) >= 1, f"no line holds {mark!r}"
    return text[: text.index(mark)].count("\n") + 1


def climb(folder: Path) -> tuple[list[Refusal], list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    refusals = check_domain(folder, lambda rung, words: said.append((rung, words)))
    return refusals, said


def test_the_toy_domain_passes_every_rung_in_order(toy: Path) -> None:
    refusals, said = climb(toy)
    assert [str(refusal) for refusal in refusals] == []
    assert [rung for rung, _ in said] == [name for name, _ in RUNGS]
    assert all(words for _, words in said)


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.name.replace(" ", "-"))
def test_a_broken_domain_is_refused_at_its_rung_with_file_and_line(case: Broken, toy: Path, tmp_path: Path) -> None:
    folder = variant(toy, tmp_path, case)
    refusals, said = climb(folder)
    assert refusals, "the ladder let it pass"
    shown = "\n".join(map(str, refusals))
    assert {refusal.rung for refusal in refusals} == {case.rung}, shown
    names = [name for name, _ in RUNGS]
    assert [rung for rung, _ in said] == names[: names.index(case.rung) + 1], "it stops at the first rung that refuses"
    meant = [refusal for refusal in refusals if case.says in refusal.what]
    assert meant, shown
    file = case.in_file or case.file
    where = f"toy/{file}:{line_of((folder / file).read_text(), case.at)}"
    assert where in [refusal.where for refusal in meant] or (not case.at and meant[0].where == f"toy/{file}"), shown
    assert all(refusal.remedy for refusal in refusals), shown


def test_every_rung_has_a_variant_that_it_refuses() -> None:
    elsewhere = {"novelty"}  # takes a second domain: test_novelty.py
    assert {case.rung for case in VARIANTS} | elsewhere == {name for name, _ in RUNGS}


def test_all_that_a_rung_finds_is_listed_at_once(toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    copytree(toy, folder)
    file = folder / "intents.yaml"
    file.write_text(file.read_text().replace("rule: R3", "rule: R8").replace("rule: R1", "rule: R9"))
    refusals, _ = climb(folder)
    assert [refusal.what.rpartition(" ")[2] for refusal in refusals] == ["R8", "R9"]


def test_a_refusal_reads_as_place_rung_fault_and_remedy() -> None:
    refusal = Refusal("toy/tools.yaml:7", "parse", "x is missing", "Add x.")
    assert str(refusal) == "toy/tools.yaml:7: parse: x is missing\n    Add x."
    assert str(Refusal("toy/tools.yaml:7", "parse", "x is missing")) == "toy/tools.yaml:7: parse: x is missing"


@pytest.mark.parametrize("words", [20, 2_000])
def test_a_policy_is_about_a_page(words: int, toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    copytree(toy, folder)
    (folder / "policy.md").write_text("Know this. " * (words // 2))
    refusals, _ = climb(folder)
    assert [(r.rung, r.where) for r in refusals] == [("budget", "toy/policy.md:1")]
    assert f"the policy has {words:,} words" in refusals[0].what


def test_tools_that_leave_no_room_for_the_work_are_refused(toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    copytree(toy, folder)
    file = folder / "tools.yaml"
    old = "words: {type: string,"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, f"{old} examples: [{'x' * 70_000}],"))
    refusals, _ = climb(folder)
    assert [(r.rung, r.where) for r in refusals] == [("budget", "toy/domain.yaml:1")]
    assert "tokens together; at most 16,384" in refusals[0].what


def test_a_tool_that_answers_with_a_book_is_refused(toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    copytree(toy, folder)
    file = folder / "tools.yaml"
    old = "SELECT book_id, title, author, shelf, copies_free FROM books"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, old.replace(" FROM", ", printf('%.*c', 9000, 'x') AS blurb FROM")))
    refusals, _ = climb(folder)
    assert [(r.rung, r.where) for r in refusals] == [("budget", f"toy/tools.yaml:{line_of(file.read_text(), MANY)}")]
    assert "search_books: a result of" in refusals[0].what


def test_a_domain_in_which_nobody_says_who_they_are_is_refused(toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    copytree(toy, folder)
    file = folder / "intents.yaml"
    how = "{about: [mail], ask: {en: [What is your e-mail?]}, tell: {en: ['My e-mail is {{ email }}, as before.']}}"
    text = file.read_text().replace("email: opening", "email: asked")
    text = text.replace("\n  asked:\n", f"\n  asked:\n    email: {how}\n")
    parts = text.split("\n- name:")
    parts = [
        p if "asked:\n" in p else p.replace("\n  phrasings:", f"\n  asked: {{email: {how}}}\n  phrasings:")
        for p in parts
    ]
    file.write_text("\n- name:".join(parts))
    refusals, _ = climb(folder)
    assert [(r.rung, r.where) for r in refusals] == [("spoken", "toy/domain.yaml:5")], "\n".join(map(str, refusals))
    assert "no request tells email in its opening" in refusals[0].what


@pytest.mark.parametrize("name", ["check that a part satisfies", "list without an order"])
def test_the_same_files_give_the_same_words_in_any_process(name: str, toy: Path, tmp_path: Path) -> None:
    case = next(case for case in VARIANTS if case.name == name)
    folder = variant(toy, tmp_path, case)
    told = [_checked(folder, seed) for seed in ("0", "4242")]
    assert told[0] == told[1]
    assert told[0][0] == 4 and case.says in told[0][2]


def _checked(folder: Path, hash_seed: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "pipeline", "check", str(folder)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    return answer.returncode, answer.stdout, answer.stderr


def test_a_missing_guard_is_seen_by_no_rung_below_the_random_calls(toy: Path, tmp_path: Path) -> None:
    case = next(case for case in VARIANTS if case.name == "missing guard")
    _, said = climb(variant(toy, tmp_path, case))
    assert dict(said)["examples"].endswith("behave")
    assert dict(said)["random"].startswith("refused")
