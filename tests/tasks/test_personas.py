"""What the personas may say: manner and nothing else, and every word means what it must.

A confirmation that sounds like a question, or an aside that holds a date, would change what a task asks for, so the
rules are checked on every text.
"""

from __future__ import annotations

import re

import pytest

from pipeline.judging.speech import confirms
from pipeline.tasks.personas import load_personas

PERSONAS = load_personas()
LEAST = {"greetings": 3, "asides": 3, "confirms": 4, "unknowns": 3, "insists": 3}

YES = re.compile(r"\b(yes|yep|yeah|aye|affirmative|confirm(ed)?|confirmation|agreed?|approved|go ahead)\b", re.I)
DOUBT = re.compile(r"\b(no|not|nor|never|none|but|if|unless|wait|maybe|perhaps|think|suppose|\w+n't)\b|\?", re.I)
SOUNDS_LIKE_YES = re.compile(YES.pattern[:-3] + r"|sure|okay|ok|correct|fine|please do|do it|proceed)\b", re.I)
FACT = re.compile(
    r"\d|[$€£¥@#{}]"
    r"|\b(january|february|march|april|june|july|august|september|october|november|december)\b"
    r"|\b(mon|tues|wednes|thurs|fri|satur|sun)day\b"
    r"|\b(today|tonight|tomorrow|yesterday|weekend|week|month|year|noon|midnight|afternoon)s?\b"
    r"|\b(two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|half|double)\b",
    re.I,
)
TRADE = re.compile(
    r"\b(book\w*|reserv\w*|flight|hotel|room|seat|ticket(s|ed)|trip|travel\w*|appointment|loan|refund|pay\w*|price|cancel\w*"
    r"|order(s|ed)|table|deliver\w*|account|card)\b",
    re.I,
)
ASKS_SOMETHING = re.compile(
    r"\?|\bplease\b|(^|[.!,;] )(bear|excuse|forgive|pardon|ignore|note|remember|make|keep|tell|send|give|take|let|"
    r"don't|do|check|show|find|help|try|use|call|write|be)\b",
    re.I,
)


def texts(part: str) -> list[tuple[str, str]]:
    return [(p.name, text) for p in PERSONAS for text in getattr(p, part) if text]


def test_there_are_enough_distinct_people_with_enough_to_say() -> None:
    assert len(PERSONAS) >= 40
    assert len({p.name for p in PERSONAS}) == len(PERSONAS) == len({p.description for p in PERSONAS})
    for persona in PERSONAS:
        assert re.fullmatch(r"[a-z][a-z_]+", persona.name)
        assert len(persona.description) > 60, persona.name
        for part, least in LEAST.items():
            assert len(set(getattr(persona, part))) >= least, (persona.name, part)
        assert "" in persona.asides, persona.name
    styles = [p.dates for p in PERSONAS]
    assert all(styles.count(style) >= 5 for style in ("iso", "day_month", "month_day", "weekday"))


def test_no_two_texts_are_the_same() -> None:
    plain = [re.sub(r"\W+", " ", text).strip().casefold() for part in LEAST for _, text in texts(part)]
    assert sorted(plain) == sorted(set(plain))


@pytest.mark.parametrize("part", LEAST)
def test_no_text_holds_a_fact_or_belongs_to_a_trade(part: str) -> None:
    assert [t for t in texts(part) if FACT.search(t[1]) or TRADE.search(t[1])] == []


def test_every_confirmation_is_an_unmistakable_yes() -> None:
    assert [t for t in texts("confirms") if not YES.search(t[1]) or DOUBT.search(t[1])] == []


@pytest.mark.parametrize("part", ["greetings", "asides", "unknowns", "insists"])
def test_nothing_else_sounds_like_a_yes(part: str) -> None:
    sounds = YES if part in ("greetings", "asides") else SOUNDS_LIKE_YES
    assert [t for t in texts(part) if sounds.search(t[1])] == []


def test_who_judges_conversations_hears_a_yes_where_one_is_said_and_nowhere_else() -> None:
    assert [t for t in texts("confirms") if not confirms(t[1])] == []
    others = [t for part in LEAST if part != "confirms" for t in texts(part)]
    assert [t for t in others if confirms(t[1])] == []


@pytest.mark.parametrize("part", ["greetings", "asides"])
def test_greetings_and_asides_are_whole_sentences_that_ask_for_nothing(part: str) -> None:
    assert [t for t in texts(part) if ASKS_SOMETHING.search(t[1]) or t[1][-1] not in ".!"] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (FACT, "See you on Friday."),
        (FACT, "I need two of them."),
        (FACT, "It was $40."),
        (TRADE, "That's right, book it."),
        (DOUBT, "Yes, but not now."),
        (DOUBT, "Yes?"),
        (DOUBT, "Yes, I don't mind."),
        (SOUNDS_LIKE_YES, "I'm not sure."),
        (SOUNDS_LIKE_YES, "Yep, no idea."),
        (ASKS_SOMETHING, "Bear with me."),
        (ASKS_SOMETHING, "I am slow, please wait."),
        (ASKS_SOMETHING, "Is that all?"),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: re.Pattern[str], text: str) -> None:
    assert rule.search(text)
