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

from pipeline.check import RUNGS, Refusal, check_domain

ROOT = Path(__file__).resolve().parents[2]


class Broken(NamedTuple):
    """One edit (`old` → `new` in `file`; `old` None: the file becomes `new`) and the refusal that it must meet.

    `at`: text of the line that the refusal names, found in the edited file; the file is `in_file` or the edited one.
    """

    name: str
    file: str
    old: str | None
    new: str
    rung: str
    says: str
    at: str
    in_file: str = ""


BOOKS = '      - "Anything by {{ author }} will do, whatever you have in. My e-mail is {{ email }}, thanks."\n'
RENEW_CHECK = "SELECT renewals > (SELECT 0) AND due_on > add_days(:today, 14) FROM loans WHERE loan_id = :loan_id"
NOTE_CHECK = (
    "    - SELECT count(*) > 0 FROM notes JOIN members USING (member_id) WHERE email = :email AND loan_id IS NOT NULL\n"
)
GUARDED = """  requires:
    - {sql: SELECT 1 FROM members WHERE member_id = :member_id, otherwise: Member not found.}
  effects:
    - UPDATE members SET fines_cents = :fines_cents WHERE member_id = :member_id
  returns: SELECT member_id, fines_cents FROM members WHERE member_id = :member_id
  examples:
    - {draw: SELECT member_id FROM members, arguments: {member_id: $member_id, fines_cents: 0}, expect: ok}
    - {arguments: {member_id: MB-999, fines_cents: 0}, expect: Member not found.}
"""
LOUD = """
- name: read_noticeboard
  description: What is pinned to the board at the door.
  returns: SELECT text FROM board WHERE board_id = 1
  examples: [{arguments: {}, expect: ok}]
"""

VARIANTS = [
    # parse
    Broken("malformed YAML", "tools.yaml", "- name: find_member", "- name: [find", "parse", "is not YAML", "  description: Find a library"),
    Broken("unknown key", "tools.yaml", "  confirm: true", "  confirms: true", "parse", "unknown key", "  confirms: true"),
    Broken("wrong type", "domain.yaml", "R1: {by: tool,", "R1: {by: [tool],", "parse", "rules.R1.by", "R1:"),
    Broken("another name", "domain.yaml", "name: toy", "name: toys", "parse", "its folder toy", "name: toys"),
    Broken("gold calls no tool", "intents.yaml", "{renew_loan: {loan_id", "{renew: {loan_id", "parse", "no such tool", "{renew: {"),
    Broken("gold lacks an argument", "intents.yaml", "book_id: $book_id, pickup_by: $pickup_by}", "book_id: $book_id}", "parse",
           "required argument 'pickup_by' is missing", "{place_hold:"),
    Broken("gold has a strange argument", "intents.yaml", "{search_books: {words: $author}", "{search_books: {text: $author}",
           "parse", "no parameter 'text'", "{search_books: {text"),
    Broken("phrasing without a fact", "intents.yaml", BOOKS, BOOKS.replace(" by {{ author }}", ""), "parse",
           "does not tell author", "Anything will do"),
    Broken("phrasing tells what is hidden", "intents.yaml", "By when is {{ title }} due?", "By when is {{ title }} ({{ due_on }}) due?",
           "parse", "tells due_on", "({{ due_on }})"),
    Broken("adjacent slots", "intents.yaml", "By when is {{ title }} due?", "When {{ title }}{{ email }} due?", "parse",
           "two slots follow each other", "{{ title }}{{ email }}"),
    Broken("template that computes", "intents.yaml", "now due on {{ renewed.due_on | day }}", "now due on {{ 9 ** 9 ** 9 }}", "parse",
           "not allowed in a template", "9 ** 9"),
    Broken("no word for a proposal", "intents.yaml", "      propose: [\"I'd reserve", "      decline: [\"I'd reserve", "parse",
           "says.en.propose is missing", "    en:\n      decline: [\"I'd reserve"),
    Broken("refuse without decline", "intents.yaml", "      decline:\n        - \"I'm afraid", "      report:\n        - \"I'm afraid", "parse",
           "says.en.decline is missing", "    en:\n      report:\n        - \"I'm afraid"),
    Broken("unknown rule", "intents.yaml", "  rule: R3", "  rule: R9", "parse", "no rule R9", "  rule: R9"),
    # prepare
    Broken("unknown table", "tools.yaml", "SELECT 1 FROM members WHERE email = :email, otherwise", "SELECT 1 FROM people WHERE email = :email, otherwise",
           "prepare", "no such table: people", "FROM people"),
    Broken("random", "tools.yaml", "SELECT length(trim(:words)) >= 2", "SELECT length(trim(:words)) >= random() % 3", "prepare",
           "function random()", "random()"),
    Broken("wall clock", "tools.yaml", "SELECT :pickup_by > :today", "SELECT :pickup_by > CURRENT_DATE", "prepare", "function current_date()", "CURRENT_DATE"),
    Broken("attach", "tools.yaml", "    - UPDATE members SET fines_cents = :fines_cents WHERE member_id = :member_id",
           "    - ATTACH ':memory:' AS other", "prepare", "ATTACH", "- ATTACH"),
    Broken("a guard that writes", "tools.yaml", "SELECT renewals < 2 FROM loans WHERE loan_id = :loan_id", "DELETE FROM loans WHERE loan_id = :loan_id",
           "prepare", "changing loans", "DELETE FROM loans"),
    Broken("parameter without use", "tools.yaml", "INSERT INTO notes VALUES (new_id('notes'), :member_id, :loan_id, :body, :now)",
           "INSERT INTO notes VALUES (new_id('notes'), :member_id, :loan_id, 'Hello.', :now)", "prepare", "'body' is never used", "    body: {type: string"),
    Broken("unknown parameter in a check", "intents.yaml", "WHERE member_id = :member_id AND book_id = :book_id\n  phrasings",
           "WHERE member_id = :member_id AND book_id = :book\n  phrasings", "prepare", "unknown parameter :book", "book_id = :book\n"),
    Broken("violated that does not prepare", "domain.yaml", "SELECT 1 FROM call_log c WHERE", "SELECT 1 FROM calls c WHERE", "prepare", "no such table: calls", "FROM calls c"),
    Broken("table that is not strict", "schema.sql", "  body TEXT NOT NULL, sent_at TEXT NOT NULL\n) STRICT;", "  body TEXT NOT NULL, sent_at TEXT NOT NULL\n);",
           "prepare", "notes is not STRICT", ""),
    Broken("schema that reads the clock", "schema.sql", "CREATE TRIGGER lent", "PRAGMA user_version = 7;\nCREATE TRIGGER lent", "prepare", "PRAGMA", "PRAGMA user_version"),
    Broken("answer from nowhere", "intents.yaml", "answers: [$hold.hold_id]", "answers: [$held.hold_id]", "prepare", "$held.hold_id is neither", "answers: [$held"),
    Broken("compare of no column", "domain.yaml", "  notes.body: text", "  notes.text: text", "prepare", "no column notes.text", "  notes.text"),
    Broken("mention of no column", "intents.yaml", "mentions: {notes.body:", "mentions: {notes.text:", "prepare", "there is no notes.text", "mentions: {notes.text"),
    Broken("fact that is not drawn", "intents.yaml", "facts: {email: opening, author: opening}", "facts: {email: opening, author: opening, shelf: never}",
           "prepare", "the fact shelf is not drawn", "shelf: never"),
    Broken("example draws no such name", "tools.yaml", "SELECT email FROM members, arguments: {email: $email}", "SELECT email FROM members, arguments: {email: $mail}",
           "prepare", "draws no $mail", "email: $mail"),
    Broken("report of something unknown", "intents.yaml", "until {{ loan.due_on | day }}. Enjoy", "until {{ lent.due_on | day }}. Enjoy", "prepare", "lent is not known", "{{ lent.due_on"),
    Broken("generator that is none", "population.yaml", "shelf: {choose:", "shelf: {chose:", "prepare", "names exactly one of", "shelf: {chose"),
    # populate
    Broken("population breaks an invariant", "population.yaml", "copies_free: {sql: \"SELECT :copies\"}", "copies_free: {sql: \"SELECT :copies + 1\"}",
           "populate", "free copies are all copies", "- name: free copies", "domain.yaml"),
    Broken("population breaks a constraint", "population.yaml", "copies: {int: [2, 7]}", "copies: {int: [0, 1]}", "populate", "CHECK constraint failed", "  books:"),
    Broken("empty table", "population.yaml", "    rows: [3, 5]", "    rows: [0, 0]", "populate", "holds is empty", "  holds:"),
    Broken("column of nothing", "population.yaml", "email: {email: name}", "email: {email: names}", "populate", "there is no 'names'", "email: {email: names}"),
    # examples
    Broken("guard that nothing reaches", "tools.yaml", "    - {arguments: {words: a}, expect: Give at least two letters.}\n", "", "examples",
           "no example expects 'Give at least two letters.'", "length(trim(:words))"),
    Broken("example that does not behave", "tools.yaml", "SELECT loan_id FROM open_loans WHERE renewals < 2, arguments", "SELECT loan_id FROM open_loans, arguments",
           "examples", "expected 'ok', got 'The loan has been renewed twice already.'", "FROM open_loans, arguments"),
    Broken("example without a row", "tools.yaml", "- {draw: SELECT title FROM books, arguments", "- {draw: SELECT title FROM books WHERE copies > 99, arguments",
           "examples", "finds no row in 3 worlds", "copies > 99"),
    Broken("no example of success", "tools.yaml", "    - {draw: SELECT member_id FROM loans, arguments: {member_id: $member_id}, expect: ok}\n", "", "examples",
           "list_loans has no example of success", "  examples:\n    - {arguments: {member_id: MB-999}, expect: Member not found.}\n- name: borrow"),
    # random
    Broken("missing guard", "tools.yaml",
           GUARDED, GUARDED.replace("  requires:\n    - {sql: SELECT 1 FROM members WHERE member_id = :member_id, otherwise: Member not found.}\n", "")
           .replace("    - {arguments: {member_id: MB-999, fines_cents: 0}, expect: Member not found.}\n", ""), "random", "returned no row", "- name: adjust_fine"),
    Broken("effect that breaks an invariant", "tools.yaml", "    - UPDATE members SET fines_cents = :fines_cents WHERE member_id = :member_id",
           "    - UPDATE members SET fines_cents = :fines_cents WHERE member_id = :member_id\n    - UPDATE books SET copies = copies + 1 WHERE :fines_cents > 0 AND book_id = 'BK-01'",
           "random", "the invariant 'free copies are all copies less those on loan' is broken", "- name: free copies", "domain.yaml"),
    # intents
    Broken("check that holds before", "intents.yaml", RENEW_CHECK, "SELECT due_on >= :today FROM loans WHERE loan_id = :loan_id", "intents",
           "hold before anything was done", "  checks:\n    - SELECT due_on >= :today"),
    Broken("check that never holds", "intents.yaml", RENEW_CHECK, "SELECT renewals > 7 FROM loans WHERE loan_id = :loan_id", "intents",
           "a check is false after the plan", "- SELECT renewals > 7"),
    Broken("check that a part satisfies", "intents.yaml", NOTE_CHECK, "", "intents", "hold already after 1 of 2 writes (borrow_book)",
           "  checks:\n    - SELECT count(*) = 1 FROM open_loans JOIN members"),
    Broken("writes without a check", "intents.yaml", f"  checks:\n    - {RENEW_CHECK}\n", "", "intents", "has no check", "- name: renew"),
    Broken("question that writes", "intents.yaml", "    - {list_loans: {member_id: $member.member_id}, as: loans}\n  answers: [$due_on]",
           "    - {list_loans: {member_id: $member.member_id}, as: loans}\n    - {send_note: {member_id: $member.member_id, body: $title}}\n  answers: [$due_on]",
           "intents", "send_note writes, and a question intent changes nothing", "  gold:\n    - {find_member: {email: $email}, as: member}\n    - {list_loans: {member_id: $member.member_id}, as: loans}\n    - {send_note"),
    Broken("nothing to draw", "intents.yaml", "WHERE l.renewals = 2", "WHERE l.renewals = 3", "intents", "no_row", "  draw:\n    who: SELECT m.email, l.title FROM open_loans l JOIN members m USING (member_id) WHERE l.renewals = 3"),
    Broken("refusals that need no judgement", "intents.yaml", "  rule: R3", "  rule: R2", "intents", "0 of 2 refuse intents target rules `by: agent`", "  rule: R2"),
    Broken("rule that the gold violates", "domain.yaml",
           "JOIN members m ON m.member_id = json_extract(c.arguments, '$.member_id')\n      WHERE c.ok AND c.wrote AND c.name IN ('borrow_book', 'place_hold') AND m.fines_cents > 500",
           "WHERE c.ok AND c.name = 'find_member'", "intents", "gold itself violates R3", "  gold:\n    - {find_member: {email: $email}, as: member}\n  phrasings:\n    en:\n      - \"I'd like to take", "intents.yaml"),
    Broken("other plan that never runs", "intents.yaml", "  answers: [$hold.hold_id]",
           "  or:\n    - - {search_books: {words: $title}, as: books}\n      - {place_hold: {member_id: MB-999, book_id: $book_id, pickup_by: $pickup_by}, as: hold}\n  answers: [$hold.hold_id]",
           "intents", "or1 never runs", "    - - {search_books: {words: $title}, as: books}\n      - {place_hold"),
    # grounded
    Broken("argument that nobody could know", "intents.yaml", "    - {search_books: {words: $title}, as: books}\n    - {place_hold", "    - {place_hold",
           "grounded", "$book_id", "  gold:\n    - {find_member: {email: $email}, as: member}\n    - {place_hold"),
    Broken("literal that nobody says", "intents.yaml", "{list_loans: {member_id: $member.member_id}, as: loans}\n  phrasings", "{list_loans: {member_id: MB-001}, as: loans}\n  phrasings",
           "grounded", "member_id is 'MB-001', which nobody says", "{list_loans: {member_id: MB-001}"),
    # readable
    Broken("slot that stops too early", "intents.yaml", "My card is under {{ email }}, I think.", "My card is under {{ email }}.", "readable", "is read as email=", "under {{ email }}."),
    # deterministic
    Broken("list without an order", "tools.yaml", "WHERE member_id = :member_id ORDER BY due_on, loan_id", "WHERE member_id = :member_id",
           "deterministic", "list_loans gives another result", "  returns:\n    many: SELECT loan_id, book_id, title, due_on, renewals FROM open_loans"),
    Broken("population without an order", "population.yaml", "{sql: \"SELECT add_days(:today, -1) || ' 15:00:00'\"}", "{sql: SELECT title FROM books WHERE copies < 99 LIMIT 1}",
           "deterministic", "the rows of holds differ", "  holds:"),
    Broken("effect that depends on the clock", "tools.yaml", "add_days(:today, 21), 0, 'active', :now)", "add_days(:today, 21 + minutes_between(:today || ' 00:00', :now) / 60), 0, 'active', :now)",
           "deterministic", "an hour later", "  gold:\n    - {find_member: {email: $email}, as: member}\n    - {search_books: {words: $title}, as: books}\n    - {borrow_book", "intents.yaml"),
    # reach
    Broken("dead weight", "tools.yaml", "- name: send_note", LOUD.strip() + "\n- name: send_note", "reach", "read_noticeboard serves no intent", "- name: read_noticeboard"),
]  # fmt: skip


def variant(toy: Path, into: Path, case: Broken) -> Path:
    """A copy of the toy domain with one edit."""
    folder = into / "toy"
    copytree(toy, folder)
    file = folder / case.file
    text = file.read_text()
    assert case.old is None or text.count(case.old) >= 1, f"the edit {case.name!r} finds nothing to change"
    file.write_text(case.new if case.old is None else text.replace(case.old, case.new, 1))
    if case.name == "dead weight":
        schema, population = folder / "schema.sql", folder / "population.yaml"
        schema.write_text(
            schema.read_text() + "CREATE TABLE board (board_id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;\n"
        )
        rows = "  board:\n    rows: [1, 1]\n    columns: {board_id: {const: 1}, text: {const: Closed on Sunday.}}\n"
        population.write_text(population.read_text() + rows)
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
    assert {case.rung for case in VARIANTS} == {name for name, _ in RUNGS}


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
