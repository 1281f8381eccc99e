"""The scripted user discloses by rule and understands what an agent says in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from engine.types import Message
from pipeline.identity import Rng
from pipeline.judging.speech import confirms
from pipeline.rollout import ScriptedUser
from pipeline.world import Outcome
from tests.rollout.conftest import Find


def test_what_is_asked_of_its_own_tools_is_done_in_order_and_told(find: Find) -> None:
    task, world = find("app_is_behind")
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    used: list[str] = []

    def hands(name: str, arguments: Mapping[str, Any]) -> Outcome:
        used.append(name)
        assert arguments == {"email": task.goals[0].values["email"]}
        result = {"account": "signed in", "refreshed_on": "2026-05-04"}
        return Outcome(orjson.dumps(result).decode(), None, False, "")

    def says(text: str) -> str | None:
        return asyncio.run(user.reply([Message(role="assistant", content=text)], hands))

    both = says("Please open the library app, and after that pull the list down to refresh it.")
    assert used == ["look_at_app", "refresh_app"] and both is not None and "signed in" in both and both.count("4") >= 2
    assert says("What does the app show now?") and used[2:] == ["look_at_app"]
    used.clear()
    assert says("Your app was behind; the refreshed list has the book.") is None and not used


def test_what_the_device_refuses_is_told_in_its_words(find: Find) -> None:
    task, world = find("app_is_behind")
    user = ScriptedUser(task, Rng(1), world.today, world.compiled.domain.tools)
    said = asyncio.run(
        user.reply(
            [Message(role="assistant", content="Please refresh the app.")],
            lambda name, arguments: Outcome(None, "Sign in first.", False, ""),
        )
    )
    assert said is not None and "Sign in first." in said


def test_a_mind_is_changed_once_when_the_user_is_asked_for_their_word(find: Find) -> None:
    task, world = find("hold_until", "change_of_mind")
    user = ScriptedUser(task, Rng(1), world.today)
    assert task.goals[0].reversal is not None
    assert answer(user, "One moment, let me look.") == "Okay."
    assert answer(user, "I would reserve it for you. Shall I go ahead?") == task.goals[0].reversal.says
    assert confirms(answer(user, "Then I would reserve the other one. Shall I go ahead?") or "")


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
