"""What a person may do wrong, and what may go wrong around them: a clear error, a documented exit code, nothing lost.

Each case says which exit code it must meet and which words the message must hold: what was wrong, where, what to do.
No case may end in a traceback, and none may cost what was already written.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.e2e.commands import (
    SIDES,
    TOY,
    Answer,
    Watched,
    assert_same,
    children,
    command,
    end,
    finished,
    generate,
    published,
    rows,
    sealed,
    stamps,
    start,
    succeed,
)
from tests.e2e.conftest import ATTEMPTS, TASKS, Clean

Command = Callable[..., Answer]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """A command run in this process, with an empty folder to work in; its standard error holds no traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["toolworlds", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Answer(code, said.out, said.err)

    return run


def assert_refused(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code, answer
    said = " ".join(answer.err.replace("│", " ").split())  # a usage error comes in a box
    missing = [word for word in words if word not in said]
    assert not missing, f"{missing} not in: {said}"
    assert "Traceback" not in answer.err


# ---------------------------------------------------------------- options

OPTIONS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("--domain", "nowhere"), ("nowhere", "Known domains")),
    (("--domain", "/tmp"), ("/tmp", "domain.yaml")),
    (("--domain", "toy", "--domain", "toy"), ("--domains", "twice")),
    (("--tasks", "0"), ("--tasks", "greater than or equal to 1", "--help")),
    (("--tasks", "-3"), ("--tasks", "greater than or equal to 1")),
    (("--tasks", "many"), ("--tasks", "integer")),
    (("--attempts", "0"), ("--attempts", "greater than or equal to 1")),
    (("--attempts", "1000"), ("--attempts", "less than or equal to 64", "1000")),
    (("--seed", "-1"), ("--seed", "greater than or equal to 0")),
    (("--seed", str(2**63)), ("--seed", "less than")),
    (("--workers", "0"), ("--workers", "greater than or equal to 1")),
    (("--workers", "100000"), ("--workers", "less than or equal to 256")),
    (("--model", "expert:mistakes=2"), ("--model", "mistakes=2", "expert:mistakes=0.3")),
    (("--model", "expert:mistakes=much"), ("--model", "mistakes=much")),
    (("--model", "expert:mistakes=nan"), ("--model", "mistakes=nan")),
    (("--model", "expert:speed=1"), ("--model", "speed=1")),
    (("--model", "genius"), ("--model", "genius", "expert")),
    (("--user", "genius"), ("--user", "genius", "scripted")),
    (("--judge", "genius"), ("--judge", "genius", "program")),
    (("--runner", "cluster"), ("--runner", "cluster", "local")),
    (("--sedd", "1"), ("--sedd",)),
    (("--config", "missing.yaml"), ("missing.yaml", "cannot be read")),
]


@pytest.mark.parametrize(("given", "words"), OPTIONS, ids=[" ".join(given)[:40] for given, _ in OPTIONS])
def test_an_impossible_option_is_refused(here: Command, tmp_path: Path, given: tuple[str, ...], words: tuple[str, ...]):
    start_with = () if "--domain" in given else ("--domain", str(TOY))
    out = () if "--out" in given else ("--out", "run")
    assert_refused(here("generate", *start_with, *out, *given), 2, *words)
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_without_a_domain_it_says_how_to_name_one(here: Command) -> None:
    assert_refused(here("generate"), 2, "--domain", "toolworlds generate --domain travel")


# ---------------------------------------------------------------- settings files

SETTINGS: list[tuple[str, tuple[str, ...]]] = [
    ("tasks: [", ("settings.yaml:", "YAML")),
    ("- tasks", ("settings.yaml", "mapping")),
    ("", ("settings.yaml", "empty")),
    ("taks: 3", ("settings.yaml", "taks", "unknown setting")),
    ("tasks: lots", ("settings.yaml", "tasks", "lots")),
    ("tasks: 0", ("settings.yaml", "tasks", "greater than or equal to 1")),
    ("limits: {turns: 0}", ("settings.yaml", "limits.turns")),
    ("limits: {tuns: 9}", ("settings.yaml", "limits.tuns", "unknown setting")),
    ("near_duplicate: 2", ("settings.yaml", "near_duplicate")),
    ("pass_band: [1, 0]", ("settings.yaml", "pass_band")),
    ("kinds: {fulfill: 3}", ("settings.yaml", "kinds.fulfill", "fulfil")),
    ("kinds: {fulfil: -3}", ("settings.yaml", "kinds.fulfil")),
    ("kinds: {fulfil: 0}", ("kinds", "It has:")),
    ("a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b]\n", ("settings.yaml:1", "aliases")),
    ("tasks: 3\ntasks: 4", ("settings.yaml:2", "tasks", "twice")),
    ("tasks: \udcff", ("settings.yaml", "UTF-8")),
    ("domains: [toy, 7]", ("settings.yaml", "domains")),
]


@pytest.mark.parametrize(("text", "words"), SETTINGS, ids=[text[:20].strip() or "empty" for text, _ in SETTINGS])
def test_impossible_settings_are_refused(here: Command, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    domain = () if text.startswith("domains") else ("--domain", str(TOY))
    assert_refused(here("generate", *domain, "--config", "settings.yaml", "--out", "run"), 2, *words)
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- domains

EDITS: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("tools.yaml", "- name: find_member", "- nme: find_member", ("tools.yaml:", "nme")),
    ("tools.yaml", "  description:", "  despription:", ("tools.yaml:", "despription")),
    ("tools.yaml", "SELECT 1 FROM members", "SELEKT 1 FROM members", ("tools.yaml:", "SELEKT")),
    ("tools.yaml", "FROM members", "FROM strangers", ("tools.yaml:", "strangers")),
    ("tools.yaml", "- name: find_member", "- name: [find_member", ("tools.yaml",)),
    ("intents.yaml", "  kind: fulfil", "  kind: fulfill", ("intents.yaml:", "kind")),
    ("intents.yaml", "find_member", "find_nobody", ("intents.yaml:7", "find_nobody", "find_member")),
    ("domain.yaml", "SELECT book_id FROM books", "SELECT book FROM books", ("domain.yaml:", "book")),
    ("domain.yaml", "violated: >-", "violation: >-", ("domain.yaml:", "violation")),
    ("population.yaml", "{person: full}", "{persona: full}", ("population.yaml:", "members.name")),
    ("population.yaml", "vocabulary.book", "vocabulary.books", ("population.yaml:", "axis book")),
    ("domain.yaml", "invariants:", "invariant:", ("domain.yaml:", "invariant")),
    ("population.yaml", "members:", "menbers:", ("population.yaml", "menbers")),
    ("schema.sql", "CREATE TABLE members", "CREATE TABEL members", ("schema.sql", "TABEL")),
    ("schema.sql", ") STRICT;", ");", ("schema.sql", "STRICT")),
]


# Slips that only show when tasks are made: `toolworlds check` names file and line; a run says why it dropped what.
UNFIT: list[tuple[str, str, str]] = [
    ("intents.yaml", "$member.member_id", "$nobody.member_id"),
    ("intents.yaml", "{email: $email}", "{email: $emial}"),
    ("intents.yaml", "{email: $email}", "{emial: $email}"),
    ("intents.yaml", "{email: opening, title: opening}", "{emial: opening, title: opening}"),
    ("intents.yaml", "SELECT m.email", "SELEKT m.email"),
    ("intents.yaml", "answers: [$renewed.due_on]", "answers: [$reneved.due_on]"),
    ("intents.yaml", "WHERE loan_id = :loan_id", "WHERE loan_id = :loan"),
    ("intents.yaml", "{{ title }}", "{{ titel }}"),
    ("intents.yaml", "{{ title }}", "{{ title"),
    ("domain.yaml", "person: email", "person: phone"),
]


@pytest.mark.parametrize(("file", "old", "new", "words"), EDITS, ids=[f"{e[0]}: {e[2].strip()}" for e in EDITS])
def test_a_domain_with_a_slip_is_refused_with_file_and_line(
    here: Command, tmp_path: Path, file: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    domain = tmp_path / "domain"
    shutil.copytree(TOY, domain)
    text = (domain / file).read_text()
    assert old in text
    (domain / file).write_text(text.replace(old, new, 1))
    assert_refused(here(*generate(tmp_path / "run", 4, 1, domain=domain)), 2, *words)
    assert file == "population.yaml" or not (tmp_path / "run").exists()  # a generator is tried when it is needed


@pytest.mark.parametrize(("file", "old", "new"), UNFIT, ids=[f"{e[0]}: {e[2].strip()}" for e in UNFIT])
def test_a_domain_that_does_not_hold_is_refused_or_its_tasks_are_dropped_with_a_reason(
    here: Command, tmp_path: Path, file: str, old: str, new: str
) -> None:
    domain = tmp_path / "toy"
    shutil.copytree(TOY, domain)
    text = (domain / file).read_text()
    assert old in text
    (domain / file).write_text(text.replace(old, new))
    answer = here(*generate(tmp_path / "run", 24, 1, domain=domain))
    if answer.code == 0:
        assert sum(len(rows(tmp_path / "run", side)) for side in SIDES) <= 24
    else:
        assert_refused(answer, 2)
    assert here("check", str(domain)).code == 4


def test_a_domain_without_one_of_its_files_is_refused(here: Command, tmp_path: Path) -> None:
    shutil.copytree(TOY, tmp_path / "domain")
    (tmp_path / "domain" / "intents.yaml").unlink()
    assert_refused(here(*generate(tmp_path / "run", 4, 1, domain=tmp_path / "domain")), 2, "intents.yaml")


# ---------------------------------------------------------------- output folders


@pytest.mark.parametrize("out", ["file/run", "/proc/run", "/dev/null/run", "x" * 300], ids=lambda out: out[:20])
def test_an_output_folder_that_cannot_be_is_refused(here: Command, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("I am a file.")
    assert_refused(here(*generate(Path(out), 4, 1)), 2, out[:20], "--out")


def test_a_file_in_the_place_of_the_run_is_refused(here: Command, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("I am a file.")
    assert_refused(here(*generate(Path("run"), 4, 1)), 2, "run", "--out")
    assert (tmp_path / "run").read_text() == "I am a file."


def test_a_folder_with_other_things_in_it_is_refused_and_kept(here: Command, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("In the beginning")
    before = stamps(tmp_path)
    assert_refused(here(*generate(tmp_path / "thesis", 4, 1)), 2, "thesis", "not empty", "--out")
    assert stamps(tmp_path) == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--seed", "5"), ("seed: 0 there, 5 now",)),
        (("--model", "expert"), ("agent: expert:mistakes=0.2 there, expert now",)),
    ],
    ids=["seed", "model"],
)
def test_another_configs_run_is_refused_with_the_difference_shown(
    here: Command, clean: Clean, more: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before = sealed(clean.path), stamps(clean.path / "dataset")
    assert_refused(here(*generate(clean.path, TASKS, ATTEMPTS, *more)), 2, str(clean.path), *words, "--out")
    assert (sealed(clean.path), stamps(clean.path / "dataset")) == before


def test_a_run_of_an_edited_domain_is_refused_with_the_file_named(here: Command, clean: Clean, tmp_path: Path) -> None:
    domain = tmp_path / "toy"
    shutil.copytree(TOY, domain)
    (domain / "policy.md").write_text((domain / "policy.md").read_text() + "\nBe kind.\n")
    answer = here(*generate(clean.path, TASKS, ATTEMPTS, domain=domain))
    assert_refused(answer, 2, str(clean.path), "domains/toy/policy.md", "input file")


# ---------------------------------------------------------------- damage in a run folder


@pytest.fixture
def halfway(clean: Clean, tmp_path: Path) -> Path:
    """The clean run with its second and third shard undone, and half of the second in its journal."""
    run = tmp_path / "run"
    done = json.loads(next((clean.path / "_commits").glob("00001-*.json")).read_bytes())
    shutil.copytree(clean.path, run)
    process = None
    shutil.rmtree(run / "dataset")
    for commit in [*(run / "_commits").glob("00001-*"), *(run / "_commits").glob("00002-*")]:
        commit.unlink()
    process = start(generate(run, TASKS, ATTEMPTS))
    journal = run / "_journal" / f"{done['name']}.jsonl"
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > 20:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert journal.exists(), "the kill came before the shard was full"
    return run


def _resume(run: Path, clean: Clean) -> None:
    assert command(*generate(run, TASKS, ATTEMPTS)).code == 0
    assert_same(run, clean.content)


def test_a_journal_torn_by_a_power_cut_is_taken_up(halfway: Path, clean: Clean) -> None:
    (journal,) = (halfway / "_journal").glob("00001-*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-400])
    _resume(halfway, clean)


def test_a_journal_damaged_in_its_middle_is_refused_and_the_remedy_works(halfway: Path, clean: Clean) -> None:
    (journal,) = (halfway / "_journal").glob("00001-*.jsonl")
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(bytes(data))
    before = sealed(halfway)
    answer = command(*generate(halfway, TASKS, ATTEMPTS))
    assert_refused(answer, 2, f"{journal}:", "damaged", "Remove")
    assert sealed(halfway) == before and journal.read_bytes() == bytes(data)
    journal.unlink()
    _resume(halfway, clean)


def test_another_runs_journal_is_refused_and_the_remedy_works(halfway: Path, clean: Clean) -> None:
    (journal,) = (halfway / "_journal").glob("00001-*.jsonl")
    other = halfway.parent / "other"
    first = start(generate(other, TASKS, ATTEMPTS, "--seed", "3"))
    while first.poll() is None and not finished(other):
        pass
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (foreign,) = (other / "_journal").glob("*.jsonl")
    shutil.copy(foreign, journal)
    assert_refused(command(*generate(halfway, TASKS, ATTEMPTS)), 2, str(journal), "not a journal of this run", "Move")
    journal.unlink()
    _resume(halfway, clean)


def _damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("stage", "how"),
    [
        ("tasks", _damage),
        ("trajectories", Path.unlink),
        ("verdicts", lambda file: file.write_bytes(file.read_bytes()[:-9])),
    ],
    ids=["damaged tasks", "no trajectories", "short verdicts"],
)
def test_a_damaged_shard_is_refused_and_the_remedy_works(
    here: Command, clean: Clean, tmp_path: Path, stage: str, how: Callable[[Path], object]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(clean.path, run)
    shutil.rmtree(run / "dataset")
    (file,) = (run / stage).glob("00002-*.parquet")
    how(file)
    answer = here(*generate(run, TASKS, ATTEMPTS))
    (commit,) = (run / "_commits").glob("00002-*.json")
    assert_refused(answer, 2, str(file), f"Remove {commit}")
    commit.unlink()
    assert here(*generate(run, TASKS, ATTEMPTS)).code == 0
    assert_same(run, clean.content)


@pytest.mark.parametrize("name", ["run.json", "commit"])
def test_a_torn_file_of_the_run_is_refused(here: Command, clean: Clean, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(clean.path, run)
    file = run / name if name == "run.json" else next((run / "_commits").glob("00000-*"))
    file.write_bytes(file.read_bytes()[:100])
    assert_refused(here(*generate(run, TASKS, ATTEMPTS)), 2, str(file), "emove")


def test_a_torn_dataset_file_is_named_and_made_anew(here: Command, clean: Clean, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(clean.path, run)
    (file,) = (run / "dataset" / "accepted").glob("*/*.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    for asked in (("replay", str(run)), ("query", "funnel", "--run", str(run)), ("show", str(run))):
        assert_refused(here(*asked), 2, str(run), "Remove the dataset folder")
    shutil.rmtree(run / "dataset")
    assert here(*generate(run, TASKS, ATTEMPTS)).code == 0
    assert_same(run, clean.content)


# ---------------------------------------------------------------- a full disk, an interruption


def _small_files(most: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails with EFBIG, as on a full disk with ENOSPC
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return limit


LONG = pytest.mark.verify


@pytest.mark.parametrize(
    ("most", "workers"),
    [
        (0, "1"),
        (2_000, "1"),
        (150_000, "1"),
        *(pytest.param(m, w, marks=LONG) for m in (60_000, 150_000) for w in "12"),
    ],
)
def test_a_full_disk_is_told_and_nothing_is_lost(clean: Clean, tmp_path: Path, most: int, workers: str) -> None:
    run = tmp_path / "run"
    arguments = generate(run, TASKS, ATTEMPTS, "--workers", workers)
    answer = command(*arguments, prepare=_small_files(most))
    assert_refused(answer, 3, str(run), "cannot be written", "File too large", "same command")
    held, done = sealed(run), finished(run)
    assert most < 60_000 or done
    if done:
        assert_refused(command(*arguments, prepare=_small_files(most)), 3, "same command")
        assert finished(run) >= done and held.items() <= sealed(run).items()
        _resume(run, clean)


def test_a_disk_that_fills_up_while_publishing_leaves_the_last_dataset(clean: Clean, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(clean.path, run)
    before = published(run)
    longer = generate(run, TASKS, ATTEMPTS + 1)
    largest = max(file.stat().st_size for file in (run / "dataset").rglob("*.parquet"))
    answer = command(*longer, prepare=_small_files(largest))
    assert_refused(answer, 3, str(run), "same command")
    assert published(run) == before
    succeed(*longer)
    assert len(finished(run)) == TASKS * (ATTEMPTS + 1)


@pytest.mark.parametrize(("whom", "workers"), [("the command", "1"), ("its group", "2")])
def test_an_interrupted_run_says_so_and_resumes(clean: Clean, tmp_path: Path, workers: str, whom: str) -> None:
    run = tmp_path / "run"
    arguments = generate(run, TASKS, ATTEMPTS, "--workers", workers)
    process = start(arguments)
    while process.poll() is None and len(finished(run)) < 5:
        pass
    with Watched(children(process.pid)) as watched:
        if whom == "the command":
            process.send_signal(signal.SIGINT)
        else:  # as Ctrl-C on a terminal does
            os.killpg(process.pid, signal.SIGINT)
        answer = end(process)
        assert watched.gone(30)
    assert_refused(answer, 3, "interrupted", "same command resumes")
    done = finished(run)
    assert done
    _resume(run, clean)
    assert finished(run) >= done


# ---------------------------------------------------------------- looking at runs

LOOKING: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("query", "funel", "--run", "RUN"), ("funel", "funnel:", "SELECT")),
    (("query", "", "--run", "RUN"), ("no question", "funnel:")),
    (("query", "select nothing from nowhere", "--run", "RUN"), ("nowhere", "Tables: accepted")),
    (("query", "select from where", "--run", "RUN"), ("query", "syntax")),
    (("query", "select 1; select 2", "--run", "RUN"), ("only one SELECT",)),
    (("query", "delete from rows", "--run", "RUN"), ("only one SELECT", "never changed")),
    (("query", "create table t (a int)", "--run", "RUN"), ("only one SELECT",)),
    (("query", "copy (select 1) to 'here.csv'", "--run", "RUN"), ("only one SELECT",)),
    (("query", "attach 'other.db'", "--run", "RUN"), ("only one SELECT",)),
    (("query", "select * from read_text('/etc/passwd')", "--run", "RUN"), ("query",)),
    (("query", "funnel", "--run", "EMPTY"), ("there is no run", "EMPTY")),
    (("query", "funnel", "--run", "missing"), ("there is no run", "missing")),
    (("query", "funnel", "--run", "RUN", "--format", "xml"), ("xml", "csv")),
    (("show", "RUN", "zzz"), ("zzz", "toolworlds query")),
    (("show", "RUN", ""), ("more than one",)),
    (("show", "EMPTY"), ("EMPTY",)),
    (("replay", "EMPTY"), ("there is no run", "EMPTY")),
    (("replay", "missing"), ("there is no run", "missing")),
    (("replay", "RUN", "--episode", "zzz"), ("zzz",)),
    (("replay",), ("run", "--help")),
    (("check", "nowhere"), ("nowhere", "Known domains")),
    (("publish", "RUN"), ("publish",)),
]


@pytest.mark.parametrize(("given", "words"), LOOKING, ids=[" ".join(given)[:40] for given, _ in LOOKING])
def test_a_question_that_cannot_be_answered_is_refused(
    here: Command, clean: Clean, tmp_path: Path, given: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (tmp_path / "EMPTY").mkdir()
    before = stamps(clean.path)
    arguments = [str(clean.path) if word == "RUN" else word for word in given]
    assert_refused(here(*arguments), 2, *words)
    assert stamps(clean.path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["EMPTY"]


@pytest.mark.parametrize("asked", ["query", "show"])
def test_a_reader_that_goes_away_is_no_error(clean: Clean, asked: str) -> None:
    arguments = ["show", str(clean.path)]
    if asked == "query":
        sql = "select a.episode_id, a.messages from rows a, range(20)"
        arguments = ["query", sql, "--run", str(clean.path), "--format", "csv"]
    reading, writing = os.pipe()
    os.close(reading)
    process = start(arguments, stdout=writing)
    os.close(writing)
    answer = end(process)
    assert answer.err == ""
    assert answer.code == 0


def test_a_run_that_is_not_finished_says_so_when_it_is_looked_at(here: Command, clean: Clean, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(clean.path, run)
    shutil.rmtree(run / "dataset")
    for asked in (("replay", str(run)), ("query", "funnel", "--run", str(run)), ("show", str(run))):
        assert_refused(here(*asked), 2, str(run), "same `toolworlds generate` command again")
