"""The scripted user discloses by rule and understands what an agent says in its own words."""

from __future__ import annotations

import asyncio

import pytest

from engine.types import Message
from pipeline.identity import Rng
from pipeline.judging.speech import confirms
from pipeline.rollout import ScriptedUser
from pipeline.world import Outcome
from tests.rollout.conftest import Find


def no_hands(name: str, arguments: object) -> Outcome:
    raise AssertionError(f"this user has no tool {name}")


def answer(user: ScriptedUser, text: str) -> str | None:
    return asyncio.run(user.reply([Message(role="assistant", content=text)], no_hands))


@pytest.fixture
def user(find: Find) -> ScriptedUser:
    task, world = find("hold_until")
    return ScriptedUser(task, Rng(1), world.today)


QUESTIONS = [
    "Until which day should we keep it?",
    "When would you like to collect the book?",
    "By when can you pick it up?",
    "I can do that. Please tell me the date until which you want it reserved.",
    "Sure! What day works for you?",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_fact_is_told_when_it_is_asked_for(user: ScriptedUser, find: Find, question: str) -> None:
    task, _ = find("hold_until")
    assert answer(user, question) == task.goals[0].tells["pickup_by"]


def test_a_fact_is_not_told_before_it_is_asked_for(find: Find) -> None:
    task, world = find("hold_until")
    told = task.goals[0].tells["pickup_by"]
    user = ScriptedUser(task, Rng(1), world.today)
    assert told not in user.opening()
    assert told not in (answer(user, "Are you a member of our reading club?") or "")


PROPOSALS = [
    "I would reserve it for you. Shall I go ahead?",
    "I have found the book. Would you like me to place the hold?",
    "Here is what I will do: reserve the book for you. Is that correct?",
    "Just to confirm: a hold for you. Do I have your OK?",
    "I'd reserve it until the day you named. Does that work for you?",
]


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_a_proposal_gets_an_unmistakable_yes(user: ScriptedUser, proposal: str) -> None:
    answer(user, "Until which day should we keep it?")
    assert confirms(answer(user, proposal) or "")


DONE = [
    "Your hold is HD-001.",
    "All set! Is there anything else I can help you with?",
    "Reserved. Let me know if you need something else.",
]


@pytest.mark.parametrize("report", DONE)
def test_a_report_ends_the_conversation_when_nothing_else_is_wanted(user: ScriptedUser, report: str) -> None:
    assert answer(user, report) is None


def test_a_word_of_patience_is_no_end(user: ScriptedUser) -> None:
    assert answer(user, "One moment, I'll look that up.") == "Okay."


def test_an_opening_fact_is_repeated_when_asked_for_again(user: ScriptedUser, find: Find) -> None:
    task, _ = find("hold_until")
    assert str(task.goals[0].values["email"]) in (answer(user, "Could you give me your email, please?") or "")


def test_a_question_about_something_it_does_not_know_gets_no_made_up_fact(user: ScriptedUser, find: Find) -> None:
    task, _ = find("hold_until")
    assert answer(user, "What is your shoe size?") in task.persona.unknowns


def test_it_gives_up_on_an_agent_that_only_asks(user: ScriptedUser) -> None:
    replies = [answer(user, "What is your shoe size?") for _ in range(10)]
    assert None in replies


def test_it_insists_once_when_refused_and_then_leaves(find: Find) -> None:
    task, world = find("borrow_with_fines")
    user = ScriptedUser(task, Rng(1), world.today)
    assert answer(user, "I'm sorry, I can't do that.") == task.goals[0].push
    assert answer(user, "Unfortunately that is not possible.") is None
