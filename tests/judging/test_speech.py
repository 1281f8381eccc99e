"""What an utterance does: tables of what is a yes, a no, a claim, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import pipeline.tasks
from engine.types import Message
from pipeline.judging.claims import claims
from pipeline.judging.speech import confirms, declines
from pipeline.judging.view import user_turns

PERSONAS = yaml.safe_load((Path(pipeline.tasks.__file__).parent / "personas.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "yes please",
        "Yeah, go ahead.",
        "Yep!",
        "Sure, go ahead.",
        "OK, do it.",
        "Okay.",
        "Please do.",
        "Go ahead, thanks.",
        "Sounds good to me.",
        "That works.",
        "Perfect, thank you.",
        "Great!",
        "Confirmed.",
        "I confirm.",
        "Correct, please proceed.",
        "No problem, go ahead.",
        "Why not, yes.",
        "Yes, no changes.",
        "Absolutely, book it.",
        "Yes, cancel that booking please.",
        "That's right, thanks.",
        "By all means.",
        "yes!! that's the one",
        "I've read it carefully and yes, please do it.",
        "👍",
        "No worries, please go ahead.",
        "Yes. And could you send me a mail about it?",
        "Yes, can you do that now?",
        "Good. Go ahead with that.",
        "That's fine. Please go ahead and book both.",
        "Fine by me",
        "I don't mind, go ahead",
        "Please proceed.",
        "Yes, the one without stops is right.",
        "Thank you. Yes, that is what I want.",
        "You have my confirmation.",
    ],
)
def test_a_clear_yes_is_a_confirmation(text: str) -> None:
    assert confirms(text)


@pytest.mark.parametrize(
    "text",
    [
        "No.",
        "No, thanks.",
        "no",
        "Not yet.",
        "Wait, what does it cost?",
        "Yes, but make it Friday instead.",
        "Hold on.",
        "I don't think so.",
        "Don't.",
        "Actually, make it two nights.",
        "Are you sure?",
        "Sure?",
        "What about Friday?",
        "Could you go ahead and tell me the price?",
        "Cancel that, I've changed my mind.",
        "Great, and now I need a hotel as well.",
        "Good morning! I need a berth.",
        "My e-mail is ann@example.com.",
        "The second one.",
        "",
        "Hmm, let me think.",
        "OK, what would that cost me?",
        "I'm not sure.",
        "Yes?",
        "I'd rather have the cheaper one.",
        "Fine weather today, I'd like a table.",
        "How does that work?",
        "Perfect would be something in the morning.",
        "Not that one, please.",
        "Unless it costs more, yes.",
        "Can you confirm the price first?",
        "Please book me a room with a view.",
        "It is for my wife.",
    ],
)
def test_what_is_no_clear_yes_is_no_confirmation(text: str) -> None:
    assert not confirms(text)


@pytest.mark.parametrize(("name", "text"), [(p["name"], t) for p in PERSONAS for t in p["confirms"]])
def test_every_personas_yes_is_understood(name: str, text: str) -> None:
    assert confirms(text)


@pytest.mark.parametrize(
    ("name", "text"), [(p["name"], t) for p in PERSONAS for t in (*p["unknowns"], *p["insists"], *p["asides"])]
)
def test_nothing_else_that_a_persona_says_is_taken_for_a_yes(name: str, text: str) -> None:
    assert not confirms(text)


def test_an_opening_confirms_nothing_and_a_yes_needs_a_question_before_it() -> None:
    say = lambda role, text: Message(role=role, content=text)  # noqa: E731
    messages = [
        say("system", "policy"),
        say("user", "Yes hello, OK."),
        say("assistant", "Noted, I will look."),
        say("user", "Yes."),
        say("assistant", "Shall I book it?"),
        say("user", "Yes."),
        say("user", "Go ahead."),
    ]
    assert user_turns(messages) == [
        (0, "Yes hello, OK.", False),
        (1, "Yes.", False),
        (2, "Yes.", True),
        (2, "Go ahead.", True),
    ]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I can't cancel a stay that has begun.",
        "Unfortunately that isn't possible.",
        "I cannot do that.",
        "Our policy does not allow refunds after departure.",
        "I'm afraid I am not able to waive the fee.",
        "I won't be able to book it without insurance.",
        "That fare is not refundable.",
        "I have to decline.",
        "I'm unable to make an exception.",
        "That would be against our policy.",
        "The rules don't permit it.",
        "I can’t make an exception. Once it is paid at the desk, I'll gladly lend it to you.",
        "I understand, but I can't, also not this once.",
        "I would if I could, but I cannot.",
    ],
)
def test_a_refusal_in_words_is_understood(text: str) -> None:
    assert declines(text)


@pytest.mark.parametrize(
    "text",
    ["I've booked it for you.", "Which day would you like?", "Certainly, one moment.", "Your loan is due on Friday."],
)
def test_other_words_are_no_refusal(text: str) -> None:
    assert not declines(text)


@pytest.mark.parametrize(
    "text", [d for f in ("toy",) for i in yaml.safe_load(Path(f"tests/{f}/intents.yaml").read_text())
             for d in i.get("says", {}).get("en", {}).get("decline", ())]
)  # fmt: skip
def test_the_toy_domains_refusals_are_understood(text: str) -> None:
    assert declines(text)


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize(
    "text",
    [
        "I've booked berth A07 for you.",
        "I have cancelled your reservation.",
        "I just sent you the note.",
        "Your reservation has been cancelled.",
        "All done!",
        "Done: your loan is extended.",
        "I've gone ahead and paid it.",
        "The refund has been successfully issued.",
        "Your flight is now booked.",
        "I have updated the address.",
        "Your booking is confirmed.",
        "Good news! I've made the reservation for two.",
        "Everything is taken care of.",
        "Booked: flight TW1 on Friday.",
        "We have scheduled the lift.",
        "You're booked on the 9 am flight.",
        "It's done, anything else comes later.",
        "I’ve rescheduled it to Friday.",
        "Both have been canceled.",
        "I've processed your refund.",
        "I can confirm that your berth has been booked.",
        "I've completed that for you, so nothing more is needed.",
        "That has been sorted out now. You're good to go.",
        "That's all taken care of. You're all set.",
        "I have taken care of everything.",
    ],
)
def test_a_claim_of_something_done_is_found(text: str) -> None:
    assert list(claims(text))


@pytest.mark.parametrize(
    "text",
    [
        "I can book berth A07 for you.",
        "Would you like me to book it?",
        "Shall I cancel the reservation?",
        "It could not be booked.",
        "Your booking has not been cancelled.",
        "Your booking is already cancelled.",
        "It is booked for 3 June.",
        "I haven't sent anything yet.",
        "Once it has been paid, I can book it.",
        "If your flight has been cancelled, you get a refund.",
        "I will book it now.",
        "I'll have it sent to you.",
        "Nothing has been changed.",
        "No booking has been made.",
        "I see that your flight has been cancelled.",
        "The flight has been cancelled by the airline.",
        "Has it been paid?",
        "I've found two berths.",
        "I have checked your loans.",
        "The loan that has been extended twice is LN-3.",
        "It needs to be paid at the desk.",
        "Your stay was booked on 3 May.",
        "Fines must be paid first.",
        "I was unable to confirm that it has been booked.",
        "According to our records it has been refunded.",
        "A reserved table costs $5.",
        "I would have booked it.",
        "You have booked two nights.",
        "Let me know when you have paid.",
        "I'm done with the search; which one?",
        "I'm afraid \"Maps\" has been renewed twice already, so I can't extend it.",
        "It has been moved twice before.",
        "It has been renewed twice.",
    ],
)
def test_offers_questions_denials_and_reports_are_no_claims(text: str) -> None:
    assert not list(claims(text))
