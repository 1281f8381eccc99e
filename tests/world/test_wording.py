"""What is said can be read back: every value in every style, and every template that a Reader takes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import BadInput
from pipeline.reading import Reader, read_day, reader
from pipeline.wording import fold, names_in, render, say_clock, say_count, say_day, say_money

STYLES = ("iso", "day_month", "month_day", "weekday")
TODAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))
STYLE = st.sampled_from(STYLES)
WORDS = st.text(st.sampled_from("abcdefgh ÄßéあんZ'-"), min_size=1, max_size=12).map(str.strip).filter(bool)


@given(TODAYS, st.integers(0, 300), STYLE)
def test_a_day_within_the_coming_ten_months_is_read_as_it_was_said(today: date, ahead: int, style: str) -> None:
    day = (today + timedelta(days=ahead)).isoformat()
    assert read_day(say_day(day, style, today.isoformat()), today.isoformat()) == day


@given(TODAYS, st.dates(date(1950, 1, 1), date(2080, 1, 1)), STYLE)
def test_any_day_is_read_as_it_was_said(today: date, day: date, style: str) -> None:
    assert read_day(say_day(day.isoformat(), style, today.isoformat()), today.isoformat()) == day.isoformat()


def test_the_year_is_said_only_where_it_is_needed() -> None:
    assert say_day("2026-06-12", "weekday", "2026-06-01") == "Friday 12 June"
    assert say_day("2026-06-12", "month_day", "2026-06-01") == "June 12"
    assert say_day("2026-05-31", "month_day", "2026-06-01") == "May 31, 2026"
    assert say_day("2027-06-12", "day_month", "2026-06-01") == "12 June 2027"
    assert say_day("2026-06-12 10:00", "iso", "2026-06-01") == "2026-06-12"
    assert read_day("29 February", "2026-06-01") == "2028-02-29"


@given(st.integers(-(10**9), 10**9), st.sampled_from(["$", "€", "£", "kr"]))
def test_money_is_read_in_minor_units(cents: int, currency: str) -> None:
    assume(currency != "kr" or cents >= 0)
    text = render("It costs {{ x | money }} now.", {"x": cents}, currency=currency)
    assert reader("It costs {{ x | money }} now.").read(text, "2026-01-01") == {"x": cents}


def test_money_is_said_with_its_sign_and_thousands() -> None:
    assert [say_money(c, "$") for c in (0, 5, 120450, -999)] == ["$0.00", "$0.05", "$1,204.50", "-$9.99"]


@given(st.integers(0, 23), st.integers(0, 59), STYLE)
def test_a_time_of_day_is_read_as_it_was_said(hour: int, minute: int, style: str) -> None:
    at = f"{hour:02}:{minute:02}"
    text = render("At {{ t | clock }}, please.", {"t": at}, style=style)
    assert reader("At {{ t | clock }}, please.").read(text, "2026-01-01") == {"t": at}
    assert say_clock(f"2026-01-01 {at}", style) == say_clock(at, style)


@given(st.integers(0, 10**6))
def test_a_count_is_read_as_it_was_said(n: int) -> None:
    text = render("We are {{ n | count }} people.", {"n": n})
    assert reader("We are {{ n | count }} people.").read(text, "2026-01-01") == {"n": n}
    assert say_count(n).isdigit() == (n > 12)


@given(WORDS, WORDS, st.integers(0, 300), TODAYS, STYLE)
def test_a_story_gives_back_its_facts(who: str, what: str, ahead: int, today: date, style: str) -> None:
    day = (today + timedelta(days=ahead)).isoformat()
    template = "I am [{{ who }}] and want <{{ what }}> on {{ day | day }}, please."
    facts = {"who": who, "what": what, "day": day}
    text = render(template, facts, style=style, today=today.isoformat())
    assert reader(template).read(f"Hello there! {text} Thank you.", today.isoformat()) == facts


def test_what_is_said_before_the_first_slot_is_not_swallowed() -> None:
    assert reader("{{ who }} here.").read("Good morning! Ann Lee here.", "2026-01-01") == {"who": "Ann Lee"}


def test_a_fact_said_twice_must_be_the_same() -> None:
    template = "From {{ a }} to B, and back to {{ a }}, please."
    assert reader(template).read("From X to B, and back to X, please.", "2026-01-01") == {"a": "X"}
    assert reader(template).read("From X to B, and back to Y, please.", "2026-01-01") is None


def test_line_breaks_and_spaces_do_not_matter_and_other_words_do() -> None:
    assert reader("I want {{ x }} now.").read("I  want\nthis now.", "2026-01-01") == {"x": "this"}
    assert reader("I want {{ x }} now.").read("I need this now.", "2026-01-01") is None


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ a }}{{ b }} x", "two slots follow each other"),
        ("so {{ a }}", "text must follow the slot"),
        ("{{ a | upper }} x", "can be read back"),
        ("{% if a %}x{% endif %} y", "can be read back"),
        ("{{ a.b }} x", "can be read back"),
        ("{{ a", "not a template"),
    ],
)
def test_a_template_that_cannot_be_inverted_is_refused(template: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Reader(template)


def test_a_missing_name_or_a_value_that_does_not_fit_is_refused_and_never_said() -> None:
    for template, values in (
        ("{{ a }}", {}),
        ("{{ a | day }}", {"a": "soon"}),
        ("{{ a | money }}", {"a": "much"}),
        ("{{ a.b.c }}", {"a": {}}),
    ):
        with pytest.raises(BadInput, match="cannot be rendered"):
            render(template, values, today="2026-01-01")


def test_the_names_of_a_template_are_those_it_does_not_define_itself() -> None:
    assert names_in("{{ a }} {% for row in rows %}{{ row.x }}{{ b }}{% endfor %}") == {"a", "rows", "b"}


@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_folding_forgets_case_accents_and_spaces() -> None:
    assert fold("  Zoë\u00a0 STRAßE ") == fold("zoe strasse") == "zoe strasse"
    assert fold(None) is None
