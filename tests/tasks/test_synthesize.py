"""Tasks are solvable, not solved already, fair and readable; and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from pipeline.domain import Kind
from pipeline.errors import BadInput
from pipeline.reading import reader
from pipeline.types import DroppedTask, Goal, Source, Task
from tests.tasks.conftest import Make


def drawn(tasks: list[Task | DroppedTask]) -> list[Task]:
    lost = [task for task in tasks if isinstance(task, DroppedTask)]
    assert not lost, lost
    return [task for task in tasks if isinstance(task, Task)]


def test_the_same_seed_makes_the_same_tasks_and_another_seed_others(make: Make) -> None:
    first, again, other = make(24), make(24), make(24, seed=1)
    assert first == again
    assert {t.task_id for t in drawn(first)}.isdisjoint(t.task_id for t in drawn(other))


def test_every_kind_that_is_asked_for_is_made(make: Make) -> None:
    kinds = {task.kind for task in drawn(make(120))}
    assert kinds == set(get_args(Kind))


def test_a_kind_with_no_weight_is_not_made(make: Make) -> None:
    assert {task.kind for task in drawn(make(24, kinds={"refuse": 1, "question": 2}))} == {"refuse", "question"}


def test_kinds_that_a_domain_has_no_intent_for_are_refused_by_name(make: Make) -> None:
    fixed = ("intents.yaml", "kind: irrelevant", "kind: question")
    with pytest.raises(BadInput, match="toy has no intent of the kinds irrelevant"):
        make(1, fixed, kinds={"irrelevant": 1})


def test_tasks_that_change_nothing_expect_no_change_and_others_expect_some(make: Make) -> None:
    for task in drawn(make(64)):
        writes = any(step.writes for goal in task.goals for step in goal.plans[0].steps)
        assert task.expected[0].change.empty != writes
        if task.kind in ("refuse", "irrelevant", "question"):
            assert task.expected[0].change.empty


def test_requests_that_are_joined_come_from_one_person(make: Make) -> None:
    joined = drawn(make(24, kinds={"several": 1}))
    assert all(len(task.goals) >= 2 for task in joined)
    for task in joined:
        assert len({goal.values["email"] for goal in task.goals}) == 1


def sources(goal: Goal) -> Iterator[Source]:
    for plan in goal.plans:
        for step in plan.steps:
            yield from step.arguments.values()


def test_what_an_expert_is_given_holds_no_drawn_value(make: Make) -> None:
    for task in drawn(make(48)):
        for goal in task.goals:
            given = goal.for_expert().model_dump_json()
            for name, value in goal.values.items():
                assert str(value) not in given, f"{goal.intent}: {name} = {value!r} stands in what the expert is given"


def test_every_argument_is_constant_told_seen_or_text(make: Make) -> None:
    kinds = {source.by for task in drawn(make(48)) for goal in task.goals for source in sources(goal)}
    assert kinds == {"told", "seen", "text"}  # the toy has no constant argument


def test_every_opening_reads_back_to_the_facts_it_tells(make: Make) -> None:
    for task in drawn(make(64)):
        for goal in task.goals:
            told = [read for template in goal.templates if (read := reader(template).read(goal.opening, "2026-01-01"))]
            said = {**goal.values, **(goal.reversal.first if goal.reversal is not None else {})}
            assert any(all(str(said[k]) == str(v) for k, v in read.items()) for read in told), goal.opening


def test_a_mind_is_changed_from_something_else_to_what_is_wanted(make: Make) -> None:
    for task in drawn(make(24, kinds={"change_of_mind": 1})):
        (goal,) = task.goals
        assert goal.reversal is not None
        assert goal.reversal.first["title"] in goal.opening and goal.reversal.first["title"] != goal.values["title"]
        assert str(goal.values["title"]) in goal.reversal.says and str(goal.values["title"]) not in goal.opening


def test_each_accepted_value_is_a_right_outcome(make: Make) -> None:
    tasks = [t for t in drawn(make(120, kinds={"fulfil": 1})) if t.goals[0].intent == "borrow_any_by_author"]
    several = [task for task in tasks if len(task.expected) > 1]
    assert several, "no author of two books was drawn"
    for task in several:
        lent = [o.change.inserts[0].row["book_id"] for o in task.expected]
        assert len(set(lent)) == len(lent)
        assert [dict(o.checks[0][1])["book_id"] for o in task.expected] == lent


def test_another_order_of_the_calls_keeps_look_ups_before_the_first_write(make: Make) -> None:
    plans = [p for t in drawn(make(96)) for g in t.goals for p in g.plans if p.name == "reordered"]
    assert plans
    for plan in plans:
        writes = [step.writes for step in plan.steps]
        assert writes == sorted(writes)


DROPS = {
    "a value that is neither told nor discernible": (
        ("intents.yaml", "{find_member: {email: $email}, as: member}\n    - {list_loans", "{list_loans"),
        "ungrounded",
    ),
    "a gold call that is refused": (
        ("intents.yaml", "WHERE l.renewals < 2\n", "WHERE l.renewals = 2\n"),
        "gold_refused",
    ),
    "a check that holds before anything was done": (
        ("intents.yaml", "SELECT renewals > (SELECT 0) AND due_on > add_days(:today, 14)", "SELECT due_on > :today"),
        "solved_already",
    ),
    "a check that the gold does not bring about": (
        ("intents.yaml", "SELECT renewals > (SELECT 0) AND", "SELECT renewals > 9 AND"),
        "check_false",
    ),
    "a report that cannot be said": (
        ("intents.yaml", "{{ renewed.due_on | day }}", "{{ renewed.nothing | day }}"),
        "wording",
    ),
    "a proposal of what is not known yet": (
        ("intents.yaml", "14 days", "{{ renewed.renewals }} days"),
        "wording",
    ),
    "a draw with no row": (("intents.yaml", "WHERE l.renewals < 2\n", "WHERE l.renewals < 0\n"), "no_row"),
}


@pytest.mark.parametrize("what", DROPS)
def test_a_task_that_cannot_be_used_is_dropped_with_its_reason(make: Make, what: str) -> None:
    edit, reason = DROPS[what]
    only = ("intents.yaml", "kind: fulfil\n", "kind: fulfil\n")
    tasks = make(24, only, edit, kinds={"fulfil": 1})
    dropped = [task for task in tasks if isinstance(task, DroppedTask)]
    made = {goal.intent for task in tasks if isinstance(task, Task) for goal in task.goals}
    # other intents of the kind are drawn instead, so that only the broken one is missing
    assert "renew" not in made or any(task.reason == reason for task in dropped)
    assert made == {"borrow_with_note", "borrow_any_by_author"}


def test_a_choice_that_is_tied_is_never_used(make: Make) -> None:
    tied = (
        "intents.yaml",
        'book: {sql: "SELECT book_id, author FROM books WHERE copies_free > 0", accept: "SELECT book_id FROM books '
        'WHERE author = :author AND copies_free > 0"}',
        'book: {first: "SELECT book_id, author, 1 AS rank FROM books ORDER BY rank, book_id", unique: rank}',
    )
    made = {g.intent for t in make(24, tied, kinds={"fulfil": 1}) if isinstance(t, Task) for g in t.goals}
    assert "borrow_any_by_author" not in made and made


def test_requests_that_break_a_rule_together_are_not_joined(make: Make) -> None:
    one_write = (
        "domain.yaml",
        "violated: SELECT 1 FROM call_log c WHERE c.ok AND c.wrote AND c.name = 'adjust_fine'",
        "violated: SELECT sum(wrote) > 1 FROM call_log",
    )
    tasks = make(24, one_write, kinds={"several": 1})
    made = [task for task in tasks if isinstance(task, Task)]
    assert made
    for task in made:
        assert sum(step.writes for goal in task.goals for step in goal.plans[0].steps) <= 1
