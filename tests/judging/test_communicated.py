"""Was a value told: a table of what counts and what does not, and laws for every way of writing a value."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.types import Message, ToolCall
from pipeline.judging.communicated import answers_missing, communicated, value_told
from pipeline.types import Answer, Call, Cell, Change, Trajectory

TOLD: list[tuple[Cell, bool, str]] = [
    # numbers
    (12, False, "It takes 12 minutes."),
    (12, False, "You have 12."),
    (12, False, "(12)"),
    (12, False, "12, as agreed"),
    (1204, False, "1,204 points"),
    (1204, False, "1.204 Punkte"),
    (1204, False, "1\u202f204 points"),
    (12, False, "12% off"),
    (1204500, False, "1,204,500"),
    (120450, False, "₹1,20,450"),
    (0, False, "0 seats are left"),
    (5, False, "a 5-night stay"),
    (2, False, "two seats"),
    (21, False, "Twenty-one points"),
    (250, False, "two hundred and fifty"),
    (12, False, "12kg"),
    (1, False, "there is one seat left"),
    (12, False, "๑๒ ที่นั่ง"),
    (12, False, "१२ सीटें"),
    (12, False, "١٢ مقعدا"),
    (12, False, "１２席"),
    (40, False, "40席です"),
    (-5, False, "It is -5 outside."),
    (12, False, "Between 10 and 12."),
    (12, False, "10-12 days"),
    (12, False, "#12"),
    (2, False, "We are two and they are three."),
    (2, False, "June 12 and 2 guests"),
    # money
    (120450, True, "That is $1,204.50."),
    (120450, True, "1.204,50 €"),
    (120450, True, "1204.5"),
    (120450, True, "1,204.50 USD"),
    (12000, True, "$120"),
    (12000, True, "a total of 120 euros"),
    (12050, True, "USD120.50"),
    (12000, True, "120.00"),
    (120450, True, "1\u202f204,50 €"),
    (120450, True, "1 204,50 €"),
    (12050, True, "12050 cents"),
    (-12000, True, "a refund of $120.00"),
    (-12000, True, "-$120.00 was posted"),
    (50, True, "$0.50"),
    (100000, True, "$1,000"),
    (100000, True, "1.000 €"),
    (120450, True, "CHF 1'204.50"),
    (120450, True, "১,২০৪.৫০"),
    # dates
    ("2026-06-12", False, "on 2026-06-12."),
    ("2026-06-12", False, "12 June 2026"),
    ("2026-06-12", False, "June 12th"),
    ("2026-06-12", False, "Friday, June 12"),
    ("2026-06-12", False, "Fri 12 Jun"),
    ("2026-06-12", False, "6/12"),
    ("2026-06-12", False, "12/6/2026"),
    ("2026-06-12", False, "12.06.2026"),
    ("2026-06-12", False, "the 12th of June"),
    ("2026-06-12", False, "June 12, 2026"),
    ("2026-06-12", False, "June 12: a table for two"),
    ("2026-07-10", False, "On 10 July I'd like to go"),
    ("2026-05-12", False, "It is 12 May we talk about"),
    ("2026-06-12", False, "Jun. 12"),
    ("2026-06-12", False, "10–12 June"),
    ("2026-06-10", False, "10 to 12 June"),
    ("2026-06-12", False, "June 10-12"),
    ("2026-06-12", False, "2026/06/12"),
    ("2026-06-12", False, "12 de junio de 2026"),
    ("2026-06-12", False, "12. Juni"),
    ("2026-06-12", False, "6月12日"),
    ("2026-06-12", False, "2026年6月12日"),
    ("2026-06-12", False, "２０２６年６月１２日"),
    ("2026-05-03", False, "May 3"),
    ("2026-06-12", False, "departing 2026-06-12T14:30:00"),
    ("2026-06-12", False, "12/06/26"),
    # times
    ("14:30", False, "at 14:30"),
    ("14:30", False, "2:30 pm"),
    ("14:30", False, "2:30 p.m."),
    ("14:30", False, "2:30PM"),
    ("14:30", False, "14h30"),
    ("14:30", False, "2.30pm"),
    ("19:00", False, "7 pm"),
    ("19:00:00", False, "19:00"),
    ("12:00", False, "at noon"),
    ("00:00", False, "at midnight"),
    ("12:15", False, "12:15 pm"),
    ("00:15", False, "12:15 am"),
    ("07:05", False, "7:05 am"),
    ("07:05", False, "07:05"),
    ("19:00", False, "7 in the evening"),
    ("2026-06-12T14:30", False, "12 June at 2:30 pm"),
    ("2026-06-12 14:30:00", False, "2026-06-12 14:30"),
    # codes and names
    ("R0012", False, "Your reservation is r0012."),
    ("R0012", False, "(R0012)"),
    ("TW123", False, "flight TW 123"),
    ("LN-104", False, "loan LN-104, due soon"),
    ("Zoë Müller", False, "ZOE MULLER"),
    ("Oslo", False, "in Oslo, Norway"),
    ("ann@example.com", False, "Write to Ann@Example.com."),
    ("in_berth", False, "the boat is in berth"),
    ("東京", False, "東京に行きます"),
    ("กรุงเทพ", False, "ไปกรุงเทพครับ"),
    ("cancelled", False, "It was canceled."),
    ("one-way", False, "a one way ticket"),
    ("12", False, "12 seats"),
    ("Saint-Malo", False, "Saint-Malo"),
    (None, False, "nothing to say"),
    ("O'Brien", False, "Mr O’Brien"),
    ("4.5", False, "rated 4.5"),
]

NOT_TOLD: list[tuple[Cell, bool, str]] = [
    (12, False, "120 seats"),
    (12, False, "12.50"),
    (12, False, "R0012"),
    (12, False, "(rule R12)"),
    (12, False, "seat 12B"),
    (12, False, "LN-12"),
    (12, False, "1,204"),
    (12, False, "on 12 June"),
    (12, False, "June 12"),
    (12, False, "2026-06-12"),
    (6, False, "6/12"),
    (12, False, "at 12:30"),
    (30, False, "at 14:30"),
    (2026, False, "2026-06-12"),
    (2026, False, "12 June 2026"),
    (12, False, "12th floor"),
    (12, False, "0.12"),
    (12, False, "012"),
    (12, False, "v12"),
    (12, False, "ann12@x.org"),
    (5, False, "-5"),
    (1, False, "this one is free"),
    (1, False, "one of them"),
    (12, False, ""),
    (2, False, "1/2 of it ½"),
    (12, False, "1.2.12"),
    (4, False, "twenty-four"),
    (20, False, "twenty-four"),
    (12, False, "a dozen"),
    (12, False, "https://x.org/12"),
    (14, False, "14h30"),
    (7, False, "7 pm"),
    (12, False, "12.06.2026"),
    (120450, True, "$1,204.05"),
    (120450, True, "$1,204"),
    (120450, True, "120450"),
    (120450, True, "$12,045.00"),
    (12000, True, "$12.00"),
    (12000, True, "$1,200"),
    (12000, True, "12000"),
    (5, True, "$5"),
    (120450, True, "204.50"),
    ("2026-06-12", False, "13 June"),
    ("2026-06-12", False, "12 July"),
    ("2026-06-12", False, "12 June 2027"),
    ("2026-06-12", False, "2026-06-120"),
    ("2026-06-12", False, "the 12th"),
    ("2026-06-12", False, "2026"),
    ("2026-06-12", False, "June 1 at 2"),
    ("2026-06-12", False, "12 seats in June"),
    ("2026-06-01", False, "June 12"),
    ("2026-05-02", False, "a table for 2 may be available"),
    ("14:30", False, "2:30"),
    ("14:30", False, "2:30 am"),
    ("02:30", False, "2:30 pm"),
    ("14:30", False, "14:300"),
    ("14:30", False, "1430"),
    ("2026-06-12T14:30", False, "12 June"),
    ("2026-06-12T14:30", False, "14:30"),
    ("R0012", False, "R00123"),
    ("R0012", False, "XR0012"),
    ("R0012", False, "R0012-3"),
    ("R0012", False, "R 001 2"),
    ("LN-104", False, "LN-1045"),
    ("Oslo", False, "Osloer"),
    ("Ann", False, "Annie"),
    ("ann@x.com", False, "joann@x.com"),
    ("ann@x.com", False, "ann@x.com.au"),
    ("ann@x.com", False, "j.ann@x.com"),
    ("A12", False, "a 12 o'clock start"),
    ("12", False, "120"),
    ("007", False, "7"),
    ("4.5", False, "4.55"),
]


@pytest.mark.parametrize(("value", "money", "text"), TOLD)
def test_a_value_is_told_in_any_of_its_forms(value: Cell, money: bool, text: str) -> None:
    assert value_told(value, text, money=money)


@pytest.mark.parametrize(("value", "money", "text"), NOT_TOLD)
def test_a_value_is_not_told_by_a_part_of_something_else(value: Cell, money: bool, text: str) -> None:
    assert not value_told(value, text, money=money)


# ---------------------------------------------------------------- laws

MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
dates = st.dates(date(2020, 1, 1), date(2030, 12, 31))
WAYS_TO_SAY_A_DAY = (
    lambda d: d.isoformat(),
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {MONTHS[d.month - 1]} {d.day}",
    lambda d: f"the {d.day}th of {MONTHS[d.month - 1]}",
    lambda d: f"{MONTHS[d.month - 1][:3]} {d.day}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
)
WAYS_TO_SAY_AN_AMOUNT = (
    lambda c: f"${c // 100:,}.{c % 100:02}",
    lambda c: f"{c // 100}.{c % 100:02}",
    lambda c: f"{c // 100:,}.{c % 100:02} USD",
    lambda c: f"{c // 100:,}".replace(",", ".") + f",{c % 100:02} €",
    lambda c: f"€{c // 100},{c % 100:02}",
    lambda c: "".join("٠١٢٣٤٥٦٧٨٩"[int(x)] if x.isdigit() else x for x in f"{c // 100}.{c % 100:02}"),
)
FRAMES = ("{}", "It is {}.", "That comes to {}, all in.", "({})", "Done: {}!", "Yes — {}; anything else?")


@given(dates, dates, st.sampled_from(WAYS_TO_SAY_A_DAY), st.sampled_from(FRAMES))
def test_a_day_is_told_however_it_is_said_and_another_day_is_not(one: date, other: date, say, frame: str) -> None:
    assert value_told(one.isoformat(), frame.format(say(one)))
    assume((one.month, one.day) not in {(other.month, other.day), (other.day, other.month)})
    assert not value_told(one.isoformat(), frame.format(say(other)))
    assert not value_told(one.day, frame.format(say(one)))


amounts = st.one_of(st.integers(1, 20_000), st.integers(1, 9_999_999))


@given(amounts, amounts, st.sampled_from(WAYS_TO_SAY_AN_AMOUNT), st.sampled_from(FRAMES))
def test_an_amount_is_told_however_it_is_written_and_another_is_not(one: int, other: int, say, frame: str) -> None:
    assert value_told(one, frame.format(say(one)), money=True)
    if one != other:
        assert not value_told(one, frame.format(say(other)), money=True)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.sampled_from(["{}", "{:,}"]), st.sampled_from(FRAMES))
def test_a_number_is_told_however_it_is_written_and_another_is_not(one: int, other: int, form: str, frame: str) -> None:
    assert value_told(one, frame.format(form.format(one)))
    if one != other:
        assert not value_told(one, frame.format(form.format(other)))


@given(st.integers(0, 1439), st.integers(0, 1439), st.booleans(), st.sampled_from(FRAMES))
def test_a_time_is_told_on_either_clock_and_another_is_not(one: int, other: int, twelve: bool, frame: str) -> None:
    def say(t: int) -> str:
        hour, minute = divmod(t, 60)
        return f"{hour % 12 or 12}:{minute:02} {'pm' if hour >= 12 else 'am'}" if twelve else f"{hour:02}:{minute:02}"

    assert value_told(f"{one // 60:02}:{one % 60:02}", frame.format(say(one)))
    if one != other:
        assert not value_told(f"{one // 60:02}:{one % 60:02}", frame.format(say(other)))


@given(st.text(max_size=80))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    for value in (12, "2026-06-12", "14:30", "R0012", "Zoë"):
        value_told(value, text)
        value_told(value, text + " 12 ")


@given(dates, st.integers(1, 300))
def test_both_ends_of_a_span_of_days_are_told(start: date, days: int) -> None:
    end = start + timedelta(days)
    text = f"from {start.day} {MONTHS[start.month - 1]} to {end.day} {MONTHS[end.month - 1]}"
    assert value_told(start.isoformat(), text) and value_told(end.isoformat(), text)


# ---------------------------------------------------------------- in a trajectory


def trajectory(*parts: Message | Call) -> Trajectory:
    return Trajectory(
        episode_id="e", task_id="t", attempt=0, seed=0, agent="expert", user="scripted", agent_spec="expert",
        status="ok",
        stop_reason="user_done", messages=tuple(p for p in parts if isinstance(p, Message)), tools=(),
        calls=tuple(p for p in parts if isinstance(p, Call)), change=Change(), state_before="", state_after="",
    )  # fmt: skip


def say(text: str, *calls: str) -> Message:
    return Message(
        role="assistant", content=text, tool_calls=tuple(ToolCall(id=c, name=c, arguments="{}") for c in calls)
    )


def user(text: str) -> Message:
    return Message(role="user", content=text)


def call(name: str, turn: int, result: str | None, **more) -> Call:
    ok = more.pop("ok", result is not None)
    rest = {"arguments": "{}", "ok": ok, "result": result, "error": None if ok else "no"} | more
    return Call(index=turn, turn=turn, actor="agent", call_id=f"c{turn}", name=name, **rest)


PRICE = Answer(label="$booking.charged_cents", value=12000, money=True, tool="book")


def missing(*parts: Message | Call, answer: Answer = PRICE, new_ids=None) -> list[Cell]:
    return [a.value for a in answers_missing([answer], trajectory(*parts), new_ids or {})]


def test_an_answer_counts_only_after_the_call_that_produced_it() -> None:
    before = (user("How much?"), say("I guess $120.00", "book"), call("book", 1, '{"charged_cents":12000}'))
    assert missing(*before) == [12000]
    assert missing(*before, say("It is booked.")) == [12000]
    assert missing(*before, say("It cost $120.00.")) == []


def test_only_a_successful_call_with_the_value_in_its_result_produces_it() -> None:
    told = (user("Hi"), say("", "book"), say("It will be $120."), say("", "book"))
    assert missing(*told, call("book", 1, None), call("book", 3, '{"charged_cents":12000}')) == [12000]
    assert missing(*told, call("book", 1, '{"charged_cents":12000}'), call("book", 3, '{"charged_cents":12000}')) == []
    refused = call("book", 1, '{"charged_cents":12000}', ok=False)
    assert missing(*told, refused, call("book", 3, '{"charged_cents":12000}')) == [12000]
    assert missing(*told, call("book", 1, '{"charged_cents":5}'), call("book", 3, '{"charged_cents":12000}')) == [12000]


def test_an_answer_that_needs_no_call_may_stand_in_any_message_after_the_opening() -> None:
    known = PRICE.model_copy(update={"tool": None})
    assert missing(say("$120"), user("Hi"), say("Hello"), answer=known) == [12000]
    assert missing(user("Hi"), say("$120"), answer=known) == []
    assert missing(user("Is it $120?"), say("Yes"), answer=known) == [12000]


def test_what_takes_a_call_to_know_is_a_guess_before_one_has_worked() -> None:
    assert missing(user("How much?"), say("$120")) == [12000]
    assert missing(user("How much?"), say("$120", "book"), call("book", 1, None), say("$120")) == [12000]


def test_another_look_up_that_shows_the_answer_will_do_as_well() -> None:
    seen = user("Hi"), say("$120?", "quote"), call("quote", 1, '{"total_cents":12000}')
    assert missing(*seen) == [12000]
    assert missing(*seen, say("It is $120.")) == []
    worked_out = user("Hi"), say("$120?", "quote"), call("quote", 1, '{"nights":2,"nightly_cents":6000}')
    assert missing(*worked_out) == [12000]
    assert missing(*worked_out, say("It is $120.")) == []


def test_the_id_of_a_new_row_is_looked_for_as_this_run_gave_it() -> None:
    new = Answer(label="$booking.id", value="R1", new_in="bookings", tool="book")
    rows = {("bookings", ("R1",)): ("R7",)}
    said = (user("Hi"), say("", "book"), call("book", 1, '{"id":"R7"}'))
    assert missing(*said, say("It is R7."), answer=new, new_ids=rows) == []
    assert missing(*said, say("It is R1."), answer=new, new_ids=rows) == ["R7"]


def test_an_answer_of_an_inner_list_is_found_in_its_result() -> None:
    name = Answer(label="name", value="Zoë", tool="find")
    said = (user("Hi"), say("It's Zoe.", "find"), call("find", 1, '[{"people":[{"name":"Zoë"}]}]'))
    assert missing(*said, answer=name) == ["Zoë"]
    assert missing(*said, say("Zoë!"), answer=name) == []
    assert communicated(name, "zoe")
