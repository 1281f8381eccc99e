"""A task's verifier proves itself: wrong runs fail, right runs pass; a verdict that is broken on purpose is caught."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.check.admission import admit
from pipeline.check.oracle import Truth
from pipeline.config import RunConfig
from pipeline.judging import criteria, matching, state, verdict
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, make_admitted
from pipeline.types import DroppedTask
from pipeline.verdicts import Admission, StateVerdict
from tests.admission.conftest import Draw, Drawn

MUTANTS = {
    "dropped", "doubled", "value", "entity", "extra", "answer", "premature", "order", "nothing", "forbidden",
}  # fmt: skip
VARIANTS = {"gold", "worded", "polite", "shifted", "extra_reads", "corrected", "recovered", "reordered"}
HOLD = "hold_until"
WEAK_CHECK = ("intents.yaml", " AND book_id = :book_id AND pickup_by = :pickup_by", " AND book_id = :book_id")
HIDDEN = ("domain.yaml", "  holds.created_at: clock", "  holds.created_at: clock\n  holds.pickup_by: text")


def admitted(tasks: list[Drawn]) -> list[Admission]:
    return [admit(one.task, one.stand) for one in tasks]


def survivors(tasks: list[Drawn]) -> Counter[str]:
    return Counter(found.name for one in admitted(tasks) for found in one.survivors)


def rejected(tasks: list[Drawn]) -> Counter[str]:
    return Counter(found.name for one in admitted(tasks) for found in one.rejected)


def writing(tasks: list[Drawn]) -> list[Drawn]:
    """Tasks of one intent in which the agent writes, a few of each intent."""
    found: dict[str, list[Drawn]] = {}
    for one in tasks:
        if len(one.intents) == 1 and any(step.confirm for step in one.task.goals[0].plans[0].steps):
            found.setdefault(one.intents[0], []).append(one)
    return [one for same in found.values() for one in same[:2]]


# ---------------------------------------------------------------- a verdict that holds


def test_every_toy_task_proves_its_verifier(toy_tasks: list[Drawn]) -> None:
    mutants: Counter[str] = Counter()
    variants: Counter[str] = Counter()
    for one in toy_tasks:
        found = admit(one.task, one.stand)
        assert (found.survivors, found.rejected) == ((), ()), (one.intents, found)
        assert found.killed + found.equivalent == found.made and found.accepted == found.tried
        assert all(tally.killed + tally.equivalent == tally.made for tally in found.mutants)
        assert found.tried >= 7, (one.intents, found.variants)  # the usual run, and six that are not
        mutants.update({tally.name: tally.killed for tally in found.mutants})
        variants.update({tally.name: tally.accepted for tally in found.variants})
    assert set(mutants) == MUTANTS and all(mutants.values())
    assert set(variants) >= VARIANTS


def test_the_same_task_is_admitted_the_same_way(toy_tasks: list[Drawn]) -> None:
    for one in toy_tasks[:8]:
        assert admit(one.task, one.stand) == admit(one.task, one.stand)


def test_what_was_right_after_all_is_counted_as_equivalent_and_not_as_killed(toy_tasks: list[Drawn]) -> None:
    holds = [one for one in toy_tasks if one.intents == [HOLD]]
    for found in admitted(holds):
        doubled = next(tally for tally in found.mutants if tally.name == "doubled")
        assert (doubled.made, doubled.killed, doubled.equivalent) == (1, 0, 1)  # a second hold is refused
    any_book = [one for one in toy_tasks if one.intents == ["borrow_any_by_author"]]
    entities = [t for found in admitted(any_book) for t in found.mutants if t.name == "entity"]
    assert sum(tally.killed for tally in entities) > 0, "a book by another author is wrong"
    assert sum(tally.equivalent for tally in entities) > 0, "another book by the author is right"


# ---------------------------------------------------------------- verdicts broken on purpose


def test_a_state_verdict_that_always_passes_leaves_survivors(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        verdict, "state_verdict", lambda expected, *_, **__: StateVerdict(passed=True, plan=expected[0].plan)
    )
    found = survivors(writing(toy_tasks))
    assert {"dropped", "value", "extra", "answer", "nothing"} <= set(found), found


def test_an_answer_that_counts_as_told_whatever_is_said_leaves_survivors(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "told_in", lambda *_: True)
    found = survivors([one for one in toy_tasks if one.intents == ["when_due"]])
    assert set(found) == {"answer", "nothing", "premature"}, found


def test_a_match_that_passes_over_a_column_leaves_survivors(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = draw(HOLD, WEAK_CHECK)[:6]
    assert survivors(tasks) == Counter(), "the comparison of rows is enough"
    columns = matching.compared_columns
    monkeypatch.setattr(
        matching, "compared_columns", lambda shape: tuple(c for c in columns(shape) if c != "pickup_by")
    )
    assert set(survivors(tasks)) == {"value"}


def test_a_match_that_passes_over_rows_too_many_leaves_survivors(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    match = matching.match_change

    def lenient(expected: Any, actual: Any, shapes: Any, allow: Any = (), **more: Any) -> Any:
        return match(expected, actual, shapes, tuple(shapes), **more)

    monkeypatch.setattr(state, "match_change", lenient)
    assert "extra" in survivors(writing(toy_tasks))


@pytest.mark.parametrize(("check", "mutant"), [("confirmed_writes", "order"), ("said_no", "nothing")])
def test_a_gate_that_is_always_open_leaves_survivors(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch, check: str, mutant: str
) -> None:
    monkeypatch.setitem(criteria.CHECKS, check, lambda _, criterion: (len(criterion.choices) - 1, "", ""))
    tasks = [one for one in toy_tasks if one.task.kind in ("refuse", "irrelevant")] + writing(toy_tasks)
    assert set(survivors(tasks)) >= {mutant}


def test_an_answer_taken_for_known_before_any_call_is_a_survivor(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = verdict.told_in
    forgetful = lambda run, answer: told(run, answer.model_copy(update={"tool": None}))  # noqa: E731
    monkeypatch.setattr(verdict, "told_in", forgetful)
    assert set(survivors([one for one in toy_tasks if one.intents == ["when_due"]])) == {"premature"}


def test_a_verdict_that_knows_only_the_ids_of_the_gold_rejects_right_runs(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "with_new_id", lambda answer, _: answer)
    assert set(rejected([one for one in toy_tasks if one.intents == [HOLD]])) == {"shifted"}


def test_a_gate_that_takes_a_courtesy_for_a_change_of_mind_rejects_right_runs(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(criteria, "courteous", lambda _: False)
    assert set(rejected(writing(toy_tasks))) == {"polite"}


def test_a_careful_run_that_fails_is_named_and_nothing_else_is_tried(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "told_in", lambda *_: False)
    found = admit(toy_tasks[0].task, toy_tasks[0].stand)
    assert [wrong.name for wrong in found.rejected] == ["gold"] and "was not told" in found.rejected[0].why
    assert found.mutants == () and (found.tried, found.accepted) == (1, 0)


# ---------------------------------------------------------------- domains that are too weak


def test_a_text_compare_that_hides_an_argument_is_caught_though_the_comparison_agrees(draw: Draw) -> None:
    found = [wrong for one in admitted(draw(HOLD, WEAK_CHECK, HIDDEN)[:6]) for wrong in one.survivors]
    assert {wrong.name for wrong in found} == {"value"}
    assert all("nothing compares holds.pickup_by" in wrong.why for wrong in found)
    assert all("place_hold" in wrong.call and "pickup_by" in wrong.call for wrong in found)


def test_a_check_that_asks_for_the_hidden_argument_makes_up_for_it(draw: Draw) -> None:
    assert survivors(draw(HOLD, HIDDEN)[:6]) == Counter()


def test_a_rule_that_a_right_run_breaks_is_found(draw: Draw) -> None:
    strict = (
        "domain.yaml",
        "SELECT 1 FROM call_log c WHERE c.ok AND c.wrote AND c.name = 'adjust_fine'",
        "SELECT 1 FROM call_log c WHERE NOT c.ok AND c.name = 'find_member'",
    )
    found = rejected(draw("when_due", strict))
    assert found and set(found) <= {"corrected", "recovered"}


def test_a_mutant_passes_only_for_the_comparison_of_whole_databases(
    toy_tasks: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Truth, "state_is_right", lambda *_: False)
    any_book = [one for one in toy_tasks if one.intents == ["borrow_any_by_author"]]
    assert set(survivors(any_book)) == {"entity"}


# ---------------------------------------------------------------- in a run


def test_a_task_whose_verifier_fails_is_dropped_with_the_survivor_named(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLWORLDS_CACHE", "")
    recipe = Recipe(*gather_inputs(RunConfig(domains=(str(toy),), agent="expert", kinds={"question": 1})))
    task, world, admission = make_admitted(recipe, Worlds(recipe), 0)
    assert not isinstance(task, DroppedTask) and world is not None and admission is not None
    monkeypatch.setattr(verdict, "told_in", lambda *_: True)
    task, world, admission = make_admitted(recipe, Worlds(recipe), 0)
    assert isinstance(task, DroppedTask) and world is None and admission is not None
    assert task.reason == "survivor" and task.detail.startswith("when_due: ")
    assert str(admission.survivors[0]) in task.detail
    monkeypatch.setattr(verdict, "told_in", lambda *_: False)
    task, _, _ = make_admitted(recipe, Worlds(recipe), 0)
    assert isinstance(task, DroppedTask) and task.reason == "rejects_valid" and "gold" in task.detail


def test_what_is_kept_is_not_found_out_again_and_says_the_same(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLWORLDS_CACHE", str(tmp_path))
    recipe = Recipe(*gather_inputs(RunConfig(domains=(str(toy),), agent="expert")))
    first = [make_admitted(recipe, Worlds(recipe), index) for index in range(6)]

    def never(*_: object) -> Admission:
        raise AssertionError("it was kept")

    monkeypatch.setattr("pipeline.stages.admit", never)
    again = Recipe(*gather_inputs(RunConfig(domains=(str(toy),), agent="expert")))
    worlds = Worlds(again)
    assert [made[2] for made in first] == [make_admitted(again, worlds, index)[2] for index in range(6)]
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(AssertionError, match="it was kept"):
        make_admitted(again, worlds, 0)


def test_the_key_of_an_admission_covers_the_task_its_rubric_and_the_code_but_not_its_place(toy: Path) -> None:
    config = RunConfig(domains=(str(toy),), agent="expert")
    config, inputs = gather_inputs(config)
    recipe = Recipe(config, inputs)
    task, _, _ = make_admitted(recipe, Worlds(recipe), 0)
    assert not isinstance(task, DroppedTask)
    key = recipe.admission_key(task)
    assert recipe.admission_key(task.model_copy(update={"index": 7})) == key
    assert recipe.admission_key(task.model_copy(update={"domain_version": "other"})) != key
    assert recipe.admission_key(task.model_copy(update={"allow": ("notes",)})) != key
    rubric = inputs["rubrics/core.yaml"].replace(b"weight: 3", b"weight: 2")
    assert Recipe(config, {**inputs, "rubrics/core.yaml": rubric}).admission_key(task) != key
    phrases = inputs["people/expert.yaml"] + b"\n# another file\n"
    assert Recipe(config, {**inputs, "people/expert.yaml": phrases}).admission_key(task) != key
    other = Recipe(config, inputs)
    other.__dict__["_sources"] = {"pipeline/stages.py": "other code"}
    assert other.admission_key(task) != key
