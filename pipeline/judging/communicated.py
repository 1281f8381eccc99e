"""Was a value told? Numbers, dates, times, money and names, however the speaker wrote them.

A value counts only as a whole: 12 is not told by 120, by 12.50, by R0012 or by the day of a date. Dates may lack their
year; an amount in minor units is told in major ones; ids and names regardless of case and accents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from pipeline.judging.compare import fold
from pipeline.judging.values import Reading, plain_digits, read
from pipeline.types import Answer, Call, Cell, Trajectory

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::\d\d)?")
_NUMERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_CODE = re.compile(r"([a-z]{2,})[ -]?(\d+)")
_NO_MONEY = re.compile(
    r"\b(?:free of charge|for free|at no (?:extra )?(?:cost|charge)|"
    r"without (?:a|any) (?:\w+ )?(?:fee|charge|cost|deduction)|"
    r"(?:no|zero) (?:\w+ )?(?:fees?|charges?|costs?|deductions?|penalty|surcharge|refund|balance|"
    r"debts?|fines?|difference)|"
    r"nothing (?:is|was|will be|to be) (?:due|owed|owing|charged|kept|deducted|paid|refunded|withheld|open)|"
    r"nothing to pay|(?:owes?|pays?|costs?|costing) (?:you )?nothing)\b"
)
# "No seats are left" counts; "no problem" and "no record of it" do not.
_NONE = re.compile(
    r"\b(?:no (?!problem|worr|doubt|need|hurry|rush|longer|more|one|idea|way|further|other|record|access|information|"
    r"reason|matter|option|tool|fee|charge|cost|extra|such|part|trouble|issue)[a-z]+|none)\b"
)


def communicated(answer: Answer, text: str) -> bool:
    """Whether a text tells the answer's value. There is nothing to tell of None."""
    return value_told(answer.value, text, money=answer.money)


def value_told(value: Cell, text: str, *, money: bool = False) -> bool:
    """Whether a text tells a value; with `money`, an integer counts minor units (12050 is told by "$120.50")."""
    if value is None:
        return True
    if isinstance(value, int):
        return _number_told(value, money, read(text))
    if moment := _MOMENT.fullmatch(value):
        clock = int(moment[2]) * 60 + int(moment[3])
        return day_told(moment[1], read(text)) and clock in read(text).times
    if _DATE.fullmatch(value):
        return day_told(value, read(text))
    if clock_time := _CLOCK.fullmatch(value):
        return int(clock_time[1]) * 60 + int(clock_time[2]) in read(text).times
    if _NUMERAL.fullmatch(value):
        return Decimal(value) in read(text).numbers
    return phrase_told(value, text)


def _number_told(value: int, money: bool, reading: Reading) -> bool:
    if value == 0 and (_NO_MONEY if money else _NONE).search(reading.folded):
        return True  # "free of charge", "no seats left"
    if not money:
        return Decimal(value) in reading.numbers
    # A credit of -120.00 is told as "a refund of $120.00".
    amounts = {Decimal(value), Decimal(abs(value))}
    return bool({a / 100 for a in amounts} & reading.numbers or amounts & reading.cents)


def day_told(iso: str, reading: Reading) -> bool:
    """Whether the day (YYYY-MM-DD) is among those that a text names, with its year or without one."""
    year, month, day = map(int, iso.split("-"))
    return (year, month, day) in reading.days or (None, month, day) in reading.days


def phrase_told(value: str, text: str) -> bool:
    """Whether a name, a code or a phrase occurs as a whole, whatever its case and accents."""
    wanted = _spelling(value)
    if not wanted:
        return True
    folded = read(text).folded
    if occurs(wanted, folded):
        return True
    if not any(c.isdigit() for c in wanted):
        return "-" in wanted and occurs(wanted.replace("-", " "), folded.replace("-", " "))
    # TW123 is also written "TW 123"
    if parts := _CODE.fullmatch(wanted):
        return any(occurs(f"{parts[1]}{gap}{parts[2]}", folded) for gap in (" ", "-", ""))
    return False


def _spelling(value: str) -> str:
    return fold(plain_digits(value)).replace("_", " ").replace("’", "'").replace("canceled", "cancelled")


def occurs(wanted: str, folded: str) -> bool:
    """Whether `wanted` stands in a text as a whole: not inside a longer word, number, code or address."""
    if not wanted:
        return True  # there is nothing that could be missing
    start = folded.find(wanted)
    code = any(c.isdigit() for c in wanted)
    address = "@" in wanted
    while start >= 0:
        end = start + len(wanted)
        if not (
            _joined(folded[start - 1 : start], wanted[0], folded[max(0, start - 2) : start - 1], code, address)
            or _joined(folded[end : end + 1], wanted[-1], folded[end + 1 : end + 2], code, address)
        ):
            return True
        start = folded.find(wanted, start + 1)
    return False


def _joined(neighbour: str, edge: str, beyond: str, code: bool, address: bool) -> bool:
    """Whether the word goes on beyond its edge; never in scripts without case (CJK, Thai), which set no spaces."""
    if not neighbour or not _in_words(edge):
        return False
    if _in_words(neighbour):
        return True
    if code and neighbour == "-" and beyond.isalnum():
        return True
    if neighbour == "." and edge.isdigit() and beyond.isdigit():
        return True
    return address and neighbour in ".-+" and beyond.isalnum()


def _in_words(c: str) -> bool:
    return c.isdigit() or c.lower() != c.upper()


# ---------------------------------------------------------------- in a trajectory


def answers_missing(
    answers: Sequence[Answer], trajectory: Trajectory, new_ids: Mapping[tuple[str, tuple[Cell, ...]], tuple[Cell, ...]]
) -> list[Answer]:
    """The answers that the agent never told, each with the value that it has in this run.

    `new_ids`: (table, expected key) → actual key, the map of new rows.
    """
    out = []
    for answer in answers:
        key = new_ids.get((answer.new_in, (answer.value,))) if answer.new_in else None
        here = answer.model_copy(update={"value": key[0]}) if key else answer
        if not told_in(trajectory, here):
            out.append(here)
    return out


def told_in(trajectory: Trajectory, answer: Answer) -> bool:
    """Whether an agent message tells the answer, after the call that produced it.

    That is the first successful call of the answer's tool whose result holds the value; or of another tool, where that
    one was not called. Where no result holds it (it may have been worked out), any message will do that follows a
    successful call: what takes a call to know is not known before any call. Where no call is needed, any message that
    follows the user's opening.
    """
    produced = 0 if answer.tool is None else _produced(trajectory.calls, answer)
    if produced is None:
        return False
    turn, opened = 0, False
    for message in trajectory.messages:
        opened |= message.role == "user"
        if message.role == "assistant":
            turn += 1
            # The text beside a call was written before its result was there.
            if opened and turn > produced and message.content and communicated(answer, message.content):
                return True
    return False


def _produced(calls: Sequence[Call], answer: Answer) -> int | None:
    """The turn of the call from which the answer can be known; None when there was no call that worked."""
    ways = ((c for c in calls if c.name == answer.tool and _holds(c, answer)), (c for c in calls if _holds(c, answer)))
    worked = (c for c in calls if c.ok or c.wrote)
    return next((c.turn for way in (*ways, worked) for c in way), None)


def _holds(call: Call, answer: Answer) -> bool:
    if not call.ok or call.result is None:
        return False
    if str(answer.value) not in call.result and call.result.isascii():  # cheap, and nearly always enough
        return False
    try:
        return _among(answer.value, orjson.loads(call.result))
    except orjson.JSONDecodeError:
        return False


def _among(value: Cell, result: Any) -> bool:
    if isinstance(result, dict):
        return any(_among(value, v) for v in result.values())
    if isinstance(result, list):
        return any(_among(value, v) for v in result)
    return bool(result == value) and not isinstance(result, bool)
