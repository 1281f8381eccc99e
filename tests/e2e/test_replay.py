"""Replay passes what is untouched, and finds whatever somebody changed, with every checksum made to match."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from hashlib import blake2b, md5, sha1, sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.types import canonical_json
from pipeline.cli import main
from tests.e2e.commands import SIDES, Answer, Row, command, generate, rows, succeed
from tests.e2e.conftest import ATTEMPTS, TASKS, Clean

SMALL = 18  # tasks of the run that is tampered with


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small") / "run"
    succeed(*generate(out, SMALL, 1, "--model", "expert:mistakes=0.5"))
    return out


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """`toolworlds replay …` in this process."""

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["toolworlds", "replay", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


def test_every_row_of_an_untouched_run_replays(clean: Clean) -> None:
    count = sum(len(clean.content[side]) for side in SIDES)
    calls = sum(len(row["calls"]) for side in SIDES for row in clean.content[side])
    assert count == TASKS * ATTEMPTS
    answer = command("replay", str(clean.path))
    assert answer == Answer(0, f"replayed {count} rows with {calls} calls: all equal\n", "")


def test_one_episode_alone_replays(small: Path, replay: Callable[..., Answer]) -> None:
    row = rows(small, "accepted")[0]
    answer = replay(str(small), "--episode", row["episode_id"][:12])
    assert (answer.code, answer.out) == (0, f"replayed 1 rows with {len(row['calls'])} calls: all equal\n")


# ---------------------------------------------------------------- tampering


def rewrite(run: Path, side: str, changed: list[Row]) -> None:
    """Write rows in the place of a side's, and make every checksum that the run keeps of its file match."""
    (file,) = (run / "dataset" / side).glob("domain=*/*.parquet")
    rewrite_file(run, file, changed)


def rewrite_file(run: Path, file: Path, changed: list[Row]) -> None:
    before = file.read_bytes()
    schema = pq.ParquetFile(file).schema_arrow
    pq.write_table(pa.Table.from_pylist(changed, schema=schema), file, compression="zstd")
    after = file.read_bytes()
    swaps = [(digest(before), digest(after)) for digest in DIGESTS]
    swaps += [(f'"size":{len(before)}', f'"size":{len(after)}'), (f'"rows":{len(before)}', f'"rows":{len(after)}')]
    for kept in [path for path in run.rglob("*.json") if path.is_file()]:
        text = new = kept.read_text()
        for old, now in swaps:
            new = new.replace(old, now)
        if new != text:
            kept.write_text(new)


DIGESTS: list[Callable[[bytes], str]] = [
    lambda data: blake2b(data, digest_size=16).hexdigest(),
    lambda data: blake2b(data, digest_size=32).hexdigest(),
    lambda data: blake2b(data).hexdigest(),
    lambda data: sha256(data).hexdigest(),
    lambda data: sha1(data).hexdigest(),
    lambda data: md5(data).hexdigest(),
]


def _some_call(row: Row, **wanted: bool) -> Row:
    """A call of the row that has a result, or (`error=True`) an error, or wrote."""
    for call in row["calls"]:
        if all((call["error"] is not None) if name == "error" else call[name] for name in wanted):
            found: Row = call
            return found
    raise LookupError


def _messages(row: Row, change: Callable[[list[Row]], None]) -> None:
    messages = json.loads(row["messages"])
    change(messages)
    row["messages"] = canonical_json(messages)


def _same_message(row: Row, old: str, new: str) -> None:
    """Make the conversation say what the calls now say, as a careful forger would."""
    assert old in row["messages"] or json.dumps(old)[1:-1] in row["messages"]
    row["messages"] = row["messages"].replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])


def argument(row: Row) -> None:
    call = _some_call(row, wrote=True)
    arguments = json.loads(call["arguments"])
    name = next(iter(arguments))
    old = call["arguments"]
    call["arguments"] = json.dumps({**arguments, name: arguments[name] + "9"}, separators=(",", ":"))
    _same_message(row, old, call["arguments"])


def result(row: Row) -> None:
    call = _some_call(row, ok=True)
    old = call["result"]
    value = json.loads(old)
    one = value[0] if isinstance(value, list) else value
    one[next(iter(one))] = "ZZ-000"
    call["result"] = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    _same_message(row, old, call["result"])


def error_text(row: Row) -> None:
    call = _some_call(row, error=True)
    old = call["error"]
    call["error"] = "Try again later."
    _same_message(row, json.dumps({"error": old}, separators=(",", ":")), '{"error":"Try again later."}')


def state_hash(row: Row) -> None:
    _some_call(row, wrote=True)["state_hash"] = "0" * 32


def final_state(row: Row) -> None:
    row["domains"][0]["state_after"] = "0" * 32


def change_of_state(row: Row) -> None:
    assert row["actual_change"] != row["actual_change"].replace("inserts", "deletes")
    row["actual_change"] = row["actual_change"].replace("inserts", "deletes")


def whole_call(row: Row) -> None:
    """The last call, gone from calls and conversation alike, numbers adjusted."""
    call = row["calls"].pop()
    row["n_calls"] -= 1

    def without(messages: list[Row]) -> None:
        for at, message in reversed(list(enumerate(messages))):
            if message.get("tool_call_id") == call["call_id"]:
                del messages[at]
                del row["trainable"][at]
            elif calls := message.get("tool_calls"):
                kept = [made for made in calls if made["id"] != call["call_id"]]
                if not kept:
                    del messages[at]
                    del row["trainable"][at]
                    row["n_turns"] -= 1
                else:
                    message["tool_calls"] = kept

    _messages(row, without)


def user_message(row: Row) -> None:
    _messages(row, lambda messages: messages[1].update(content=messages[1]["content"] + " Thanks!"))


def assistant_message(row: Row) -> None:
    _messages(row, lambda messages: messages[-1].update(content="All done."))


def system_message(row: Row) -> None:
    _messages(row, lambda messages: messages[0].update(content="You may do anything."))


def tools(row: Row) -> None:
    value = json.loads(row["tools"])
    row["tools"] = canonical_json(value[:-1])


def verdict(row: Row) -> None:
    row["passed"] = not row["passed"]


def score(row: Row) -> None:
    row["score"] = 0.123


def criterion(row: Row) -> None:
    row["criteria"][0]["passed"] = row["criteria"][0]["passed"] is not True


def expected_change(row: Row) -> None:
    row["expected_change"] = "{}"


def mistakes(row: Row) -> None:
    row["mistakes"] = [] if row["mistakes"] else ["wrong_argument"]


def seed(row: Row) -> None:
    row["seed"] += 1


def passes(row: Row) -> None:
    row["passes"] += 1


def split(row: Row) -> None:
    row["split"] = "test"


def provenance(row: Row) -> None:
    row["provenance"] = row["provenance"].replace("expert", "human")


def category(row: Row) -> None:
    row["category"] = "finance"


def dropped_as_a_copy(row: Row) -> None:
    row["drop_reason"] = "near_duplicate"


TAMPERINGS = [
    *(argument, result, error_text, state_hash, final_state, change_of_state, whole_call),
    *(user_message, assistant_message, system_message, tools),
    *(verdict, score, criterion, expected_change, mistakes, seed, passes, split, provenance, category),
]


def _tampered(run: Path, tamper: Callable[[Row], None]) -> str:
    """Tamper with the first row that has what is to be tampered with; its episode."""
    for side in SIDES:
        found = rows(run, side)
        for row in found:
            before = json.dumps(row)
            try:
                tamper(row)
            except (LookupError, AssertionError):
                assert json.dumps(row) == before
                continue
            assert json.dumps(row) != before
            rewrite(run, side, found)
            name: str = row["episode_id"]
            return name
    raise AssertionError(f"no row has what {tamper.__name__} changes")


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_tampered_row_is_found(
    small: Path, tmp_path: Path, replay: Callable[..., Answer], tamper: Callable[[Row], None]
) -> None:
    run = tmp_path / small.name
    shutil.copytree(small, run)
    episode = _tampered(run, tamper)
    answer = replay(str(run))
    assert answer.code == 4, answer.out
    assert {line.partition(":")[0] for line in answer.err.splitlines()[:-1]} == {episode}, answer.err


def test_an_accepted_row_called_a_copy_is_found(small: Path, tmp_path: Path, replay: Callable[..., Answer]) -> None:
    run = tmp_path / small.name
    shutil.copytree(small, run)
    accepted, rejected = rows(run, "accepted"), rows(run, "rejected")
    row = accepted.pop(1)
    dropped_as_a_copy(row)
    rewrite(run, "accepted", accepted)
    rewrite(run, "rejected", [*rejected, row])
    answer = replay(str(run))
    assert answer.code == 4 and row["episode_id"] in answer.err


def test_a_rejected_row_among_the_accepted_is_found(small: Path, tmp_path: Path, replay: Callable[..., Answer]) -> None:
    run = tmp_path / small.name
    shutil.copytree(small, run)
    accepted, rejected = rows(run, "accepted"), rows(run, "rejected")
    row = rejected.pop(0)
    rewrite(run, "accepted", [*accepted, row])
    rewrite(run, "rejected", rejected)
    answer = replay(str(run))
    assert answer.code == 4 and row["episode_id"] in answer.err


def test_a_row_dropped_is_found(small: Path, tmp_path: Path, replay: Callable[..., Answer]) -> None:
    run = tmp_path / small.name
    shutil.copytree(small, run)
    accepted = rows(run, "accepted")
    row = accepted.pop()
    rewrite(run, "accepted", accepted)
    answer = replay(str(run))
    assert answer.code == 4 and row["episode_id"] in answer.err


def test_a_row_doubled_is_found(small: Path, tmp_path: Path, replay: Callable[..., Answer]) -> None:
    run = tmp_path / small.name
    shutil.copytree(small, run)
    accepted = rows(run, "accepted")
    rewrite(run, "accepted", [*accepted, accepted[0]])
    answer = replay(str(run))
    assert answer.code == 4 and f"{accepted[0]['episode_id']}: appears twice" in answer.err


def test_a_row_of_another_run_is_found(small: Path, tmp_path: Path, replay: Callable[..., Answer]) -> None:
    run, other = tmp_path / small.name, tmp_path / "other"
    shutil.copytree(small, run)
    succeed(*generate(other, 4, 1, "--seed", "9"))
    stranger = next(row for side in SIDES for row in rows(other, side))
    stranger["fingerprint"] = rows(run, "accepted")[0]["fingerprint"]
    rewrite(run, "accepted", [*rows(run, "accepted"), stranger])
    answer = replay(str(run))
    assert answer.code == 4 and stranger["episode_id"] in answer.err


def test_a_tampered_commit_is_found_in_what_is_published_from_it(
    small: Path, tmp_path: Path, replay: Callable[..., Answer]
) -> None:
    """The forger goes to the source: a sealed trajectory is changed, its commit made to match, all published anew."""
    run = tmp_path / small.name
    shutil.copytree(small, run)
    (file,) = (run / "trajectories").glob("*.parquet")
    table = pq.ParquetFile(file).read().to_pylist()
    row = next(row for row in table if "functions.find_member:0" in row["trajectory"])
    trajectory = json.loads(row["trajectory"])
    trajectory["messages"][-1]["content"] = "Never mind."
    row["trajectory"] = json.dumps(trajectory)
    rewrite_file(run, file, table)
    shutil.rmtree(run / "dataset")
    again = generate(run, SMALL, 1, "--model", "expert:mistakes=0.5")
    assert command(*again).code == 0
    answer = replay(str(run))
    assert answer.code == 4 and row["episode_id"] in answer.err


def test_a_tampered_input_is_refused(small: Path, tmp_path: Path, replay: Callable[..., Answer]) -> None:
    run = tmp_path / small.name
    shutil.copytree(small, run)
    (policy,) = run.glob("inputs/*/domains/toy/policy.md")
    policy.write_text(policy.read_text() + "\nAnything goes.\n")
    answer = replay(str(run))
    assert answer.code == 2 and "policy.md" in answer.err
