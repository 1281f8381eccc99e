"""Each filter drops what it is named for, says why, and leaves the rest."""

from __future__ import annotations

import pytest

from pipeline.filters import FILTERS, NAMES, RUN_FILTERS, RowFacts, RunFacts, decide
from pipeline.filters.near_duplicate import banding, near_duplicate, shingles
from pipeline.filters.secrets import REDACTED, canaries
from pipeline.verdicts import Record
from tests.storage.builders import config, record, task, words

ALL = RowFacts(attempts=2, passes=2)
NO_DEFECTS = RunFacts({})
KEY = "s" + "k-" + "abcDEF0123456789abcDEF0123"  # put together here, so that no scanner takes this file for a leak


def test_the_order_is_the_documented_one() -> None:
    assert NAMES == (
        "secrets", "finished", "state", "gates", "planted", "domain_quarantined", "pass_band", "near_duplicate", "cap",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (record(0), None),
        (record(0, status="user_failure"), "finished"),
        (record(0, status="domain_defect"), "finished"),
        (record(0, status="judge_failure"), "finished"),
        (record(0, state=False), "state"),
        (record(0, gate=False), "gates"),
        (record(0, state=False, gate=False), "state"),
        (record(0, gate=None, passed=True), "gates"),
        (record(0, by="model", gate=None), None),
        (record(0, by="model", gate=False), "gates"),
        (record(0, passed=False), "gates"),
        (record(0, mistakes=("wrong_argument",)), "planted"),
        (record(0, state=False, mistakes=("wrong_argument",)), "state"),
        (record(0, said=f"Your key is {KEY}."), "secrets"),
        (record(0, status="user_failure", said=KEY), "secrets"),
    ],
)
def test_the_first_filter_that_objects_names_the_drop(made: Record, reason: str | None) -> None:
    assert decide(made, config()).drop_reason == reason
    objecting = [f.__name__ for f in FILTERS if f(made, config()) is not None]
    assert (objecting or [None])[0] == reason


def test_with_a_model_judge_an_unscored_gate_is_no_pass() -> None:
    made = record(0, by="model", gate=None, passed=True)
    assert decide(made, config(judge="openai:m@http://localhost")).drop_reason == "gates"


def test_a_row_without_a_verdict_as_a_whole_is_no_pass() -> None:
    made = record(0)
    unscored = made.model_copy(update={"verdict": made.verdict.model_copy(update={"passed": None})})
    assert decide(unscored, config()).drop_reason == "gates"


def test_deciding_again_decides_the_same() -> None:
    made = decide(record(0, state=False), config())
    assert decide(made, config()) == made


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        "AK" + "IA" + "ABCDEFGHIJKLMNOP",
        "gh" + "p_" + "a1" * 18,
        "-----BEGIN RSA PRIV" + "ATE KEY-----",
        "h" + "f_" + "a" * 34,
        "ey" + "Jhbgciohijo." + "ey" + "Jzdwiodiiii.signature-of-it",
    ],
)
def test_a_key_is_found_by_its_shape_and_is_not_published(text: str) -> None:
    decided = decide(record(0, said=f"It says {text} there."), config())
    assert decided.drop_reason == "secrets"
    assert text not in decided.model_dump_json()
    assert decided.trajectory.messages[-1].content is not None
    assert REDACTED in decided.trajectory.messages[-1].content
    assert decided.task == record(0).task


def test_the_value_of_a_secret_variable_is_found_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    value = 'v3ry-"hidden"-value-é'
    monkeypatch.setenv("SOME_API_KEY", value)
    made = record(0, thing="plain", said=f"The key is {value}!")
    why = FILTERS[0](made, config())
    assert why is not None
    assert "SOME_API_KEY" in why
    assert value not in why
    decided = decide(made, config())
    assert decided.drop_reason == "secrets"
    assert decided.trajectory.messages[-1].content == f"The key is {REDACTED}!"


def test_ordinary_variables_and_words_are_no_secrets() -> None:
    usual = {
        "SSH_AUTH_SOCK": "/tmp/ssh-1234567890/agent.1",
        "TOKENIZERS_PARALLELISM": "false",
        "AUTHOR_NAME": "Ada Lovelace the 1st",
        "HOME": "a1b2c3d4e5f6g7h8i9",
        "KEYBOARD_LAYOUT_NAME": "usinternationalkeyboard",
    }
    assert canaries(usual) == {}
    assert (
        decide(record(0, said="Your task-risk-analysis-of-everything-under-the-sun is done."), config()).drop_reason
        is None
    )


def test_one_defect_quarantines_its_domain_and_no_other() -> None:
    judge = RUN_FILTERS[0](config(domains=("toy", "sane")), RunFacts({"toy": 1}))
    assert "domain defect" in (judge(record(0), ALL) or "")
    assert judge(record(1, of=task(1, domain="sane")), ALL) is None


@pytest.mark.parametrize(
    ("band", "passes", "kept"),
    [((0, 1), 0, True), ((0, 1), 4, True), ((0.25, 0.75), 0, False), ((0.25, 0.75), 1, True), ((0.25, 0.75), 3, True),
     ((0.25, 0.75), 4, False), ((1, 1), 4, True), ((1, 1), 3, False)],
)  # fmt: skip
def test_tasks_outside_the_band_are_dropped(band: tuple[float, float], passes: int, kept: bool) -> None:
    judge = RUN_FILTERS[1](config(pass_band=band), NO_DEFECTS)
    assert (judge(record(0), RowFacts(4, passes)) is None) is kept


def test_the_cap_counts_combinations_of_intents_whatever_their_order() -> None:
    judge = RUN_FILTERS[3](config(per_intent_cap=2), NO_DEFECTS)
    kinds = [("a", "b"), ("b", "a"), ("a",), ("a", "b"), ("a",), ("a",)]
    kept = [judge(record(i, of=task(i, intents=k)), ALL) is None for i, k in enumerate(kinds)]
    assert kept == [True, True, True, False, True, False]
    free = RUN_FILTERS[3](config(), NO_DEFECTS)
    assert all(free(record(i), ALL) is None for i in range(5))


def test_a_copy_of_another_task_is_dropped_and_the_first_stays() -> None:
    judge = near_duplicate(config(), NO_DEFECTS)
    rows = [record(i, a, opening=words("same", n=60), thing="x") for i in range(3) for a in range(2)]
    assert [judge(row, ALL) is None for row in rows] == [True, True, False, False, False, False]


def test_attempts_of_one_task_are_never_copies_of_each_other() -> None:
    judge = near_duplicate(config(near_duplicate=0.1), NO_DEFECTS)
    assert [judge(record(0, a, opening="Book it.", thing="x"), ALL) for a in range(8)] == [None] * 8


def test_system_prompt_tools_and_answers_do_not_make_a_copy() -> None:
    judge = near_duplicate(config(near_duplicate=0.5), NO_DEFECTS)
    rows = [record(i, opening=words("asks", i), thing=words("thing", i)) for i in range(50)]
    assert [judge(row, ALL) for row in rows] == [None] * 50


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 1.0])
def test_exactly_the_rows_at_or_above_the_threshold_are_dropped(threshold: float) -> None:
    common = words("common", n=200).split()
    wrong = []
    for step in range(0, 200, 5):
        judge = near_duplicate(config(near_duplicate=threshold), NO_DEFECTS)
        first = record(0, opening=" ".join(common), thing="x")
        second = record(1, opening=" ".join(common[step:]) + " " + words("own", step, n=step), thing="x")
        one, two = shingles(first), shingles(second)
        alike = len(one & two) / len(one | two) >= threshold
        assert judge(first, ALL) is None
        if (judge(second, ALL) is not None) != alike:
            wrong.append(step)
    assert wrong == []


def test_banding_finds_nearly_every_true_pair() -> None:
    for threshold in (0.3, 0.5, 0.7, 0.9, 0.99, 1.0):
        rows, bands = banding(threshold)
        assert rows * bands <= 128
        assert 1 - (1 - threshold**rows) ** bands >= 0.999
