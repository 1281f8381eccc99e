"""Amounts, days and hours said in words are the values that they say, and no part of them is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judging.communicated import value_told
from pipeline.judging.values import read
from pipeline.types import Cell

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (858, "It is about eight pounds fifty-eight, and you'll have an answer by 2026-11-12."),
        (990, "Streamhouse takes nine pounds and ninety pence on the 30th of September."),
        (990, "9 Pounds & 90 Pence"),
        (858, "8 pounds 58"),
        (858, "£8 and 58p"),
        (858, "£8 58p"),
        (858, "8 euros and 58 cents"),
        (858, "eight dollars and fifty-eight cents"),
        (858, "eight euros 58"),
        (805, "eight pounds and five pence"),
        (858, "858 pence"),
        (858, "eight hundred and fifty-eight pence"),
        (90, "ninety pence"),
        (90, "90p"),
        (50, "50¢"),
        (50, "fifty cents"),
        (12000, "a hundred and twenty euros"),
        (12000, "one hundred twenty dollars"),
        (12050, "one hundred and twenty dollars and fifty cents"),
        (120450, "one thousand two hundred and four pounds fifty"),
        (120450, "1,204 dollars and 50 cents"),
        (1204500, "twelve thousand and forty-five dollars"),
        (37600, "Three hundred and seventy-six euros are going back."),
        (100000, "a thousand pounds"),
        (120000, "twelve hundred euros"),
        (858, "It's eight fifty-eight."),
        (850, "eight point five euros"),
    ],
)
def test_an_amount_in_words_is_told(cents: int, text: str) -> None:
    assert value_told(cents, text, money=True)


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (800, "eight pounds fifty-eight"),
        (5800, "eight pounds fifty-eight"),
        (58, "eight pounds and 58 pence"),
        (800, "8 euros and 58 cents"),
        (858, "eight pounds eighty-five"),
        (2000, "a hundred and twenty euros"),
        (10000, "a hundred and twenty euros"),
        (1220, "12 euros 20 times"),
        (10000, "a few hundred euros"),
        (800, "eight point five euros"),
    ],
)
def test_a_part_of_an_amount_in_words_is_not_told(cents: int, text: str) -> None:
    assert not value_told(cents, text, money=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-06-12", "the twelfth of June"),
        ("2026-06-12", "June twelfth"),
        ("2026-06-22", "June the twenty-second"),
        ("2026-06-22", "the twenty second of June 2026"),
        ("2026-05-01", "on the first of May"),
        ("2026-05-03", "May the third"),
        ("14:30", "half past two in the afternoon"),
        ("14:45", "a quarter to three in the afternoon"),
        ("02:15", "quarter past two"),
        ("14:30", "two thirty pm"),
        ("19:00", "Seven pm"),
        ("19:00", "seven o'clock in the evening"),
        ("09:00", "nine in the morning"),
        (120, "a hundred and twenty points"),
        (1_000_000, "a million points"),
    ],
)
def test_days_hours_and_counts_in_words_are_told(value: Cell, text: str) -> None:
    assert value_told(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-05-01", "you may first check"),
        ("2026-06-02", "the second week of June"),
        ("2027-06-22", "the twenty-second of June 2026"),
        ("14:30", "half past two"),
        ("14:50", "from ten to three in the afternoon"),
        (20, "a hundred and twenty"),
        (100, "a hundred and twenty"),
        (12, "the twelfth of June"),
        (2, "seven at two thirty pm"),
    ],
)
def test_a_part_of_what_is_said_in_words_is_not_told(value: Cell, text: str) -> None:
    assert not value_told(value, text)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (True, "Cancelling it is free of charge."),
        (True, "There's no cancellation fee."),
        (True, "Nothing is kept, and nothing is due."),
        (True, "Sending it back costs you nothing."),
        (True, "You can change it at no cost."),
        (False, "There are no seats left."),
        (False, "You have none."),
        (False, "zero points"),
    ],
)
def test_nothing_is_told_in_words(money: bool, text: str) -> None:
    assert value_told(0, text, money=money)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (True, "The fee is $12, and there is nothing else to do."),
        (True, "No problem, that's $12."),
        (True, "Feel free to ask."),
        (False, "No problem, you have 12."),
        (False, "No, you have 12 and nobody else has more."),
        (False, "There's no need to count them."),
    ],
)
def test_a_no_of_something_else_tells_no_zero(money: bool, text: str) -> None:
    assert not value_told(0, text, money=money)


def in_words(n: int) -> str:
    """A whole number below a million, as it is said."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ONES[n // 100]} hundred" + (f" and {in_words(n % 100)}" if n % 100 else "")
    rest = n % 1000
    return f"{in_words(n // 1000)} thousand" + (f"{' and' if rest < 100 else ''} {in_words(rest)}" if rest else "")


amounts = st.one_of(st.integers(0, 20_000), st.integers(0, 99_999_999))


@given(amounts, amounts, st.sampled_from([("pounds", "pence"), ("dollars", "cents"), ("euros", "cents")]))
def test_an_amount_is_told_in_words_and_another_is_not(one: int, other: int, units: tuple[str, str]) -> None:
    major, minor = units
    text = f"That is {in_words(one // 100)} {major}" + (f" and {in_words(one % 100)} {minor}." if one % 100 else ".")
    assert value_told(one, text, money=True)
    assert one == other or not value_told(other, text, money=True)


@given(st.integers(0, 999_999))
def test_a_number_said_in_words_is_one_number(n: int) -> None:
    assert read(f"You have {in_words(n)} points.").numbers == {n}
