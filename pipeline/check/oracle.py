"""What really became of an episode, found out slowly and without the verdict under test: a second opinion.

It knows nothing of net changes, propagation or search order. It takes all rows at the start, all rows after a right
plan and all rows after the episode, tries every way to pair the new rows of one with the new rows of the other,
renames the ids accordingly and compares the two states row by row and cell by cell. Whether an answer was told it finds
out by looking for its spellings in what the agent said. Admission asks it whether a mutant that passes is equivalent;
tests ask it whether a planted mistake took effect.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import orjson

from pipeline.types import Answer, Cell, Change, TableShape, Task, Trajectory
from pipeline.wording import say_clock, say_count, say_day, say_money
from pipeline.world import SqlEnvironment, World
from pipeline.world.dump import read_rows
from pipeline.world.functions import add_days

Row = Mapping[str, Cell]
Dump = Mapping[str, Sequence[Row]]
"""Table → all its rows."""
Key = tuple[Cell, ...]
Pairing = dict[tuple[str, Key], Key]
"""(table, key of a new row after the plan) → key of the new row after the episode that it is taken to be."""
Mentions = Sequence[tuple[str, Key, str, Sequence[Answer]]]


def same_outcome(
    start: Dump,
    expected: Dump,
    actual: Dump,
    shapes: Mapping[str, TableShape],
    allow: Sequence[str] = (),
    mentions: Mentions = (),
    holds: Callable[[Answer, str], bool] = lambda answer, text: str(answer.value) in text,
) -> bool:
    """Whether `actual` is `expected` up to the ids of new rows, the compare modes and what is allowed besides.

    `mentions` and `holds`: what texts must hold, as in `Expected.mentions`; a value that is a new id is renamed.
    """
    old, want, have = (_by_key(dump, shapes) for dump in (start, expected, actual))
    return any(
        _same(old, want, have, pairing, shapes, allow, mentions, holds)
        for pairing in _pairings(old, want, have, shapes)
    )


def _by_key(dump: Dump, shapes: Mapping[str, TableShape]) -> dict[str, dict[Key, Row]]:
    return {t: {tuple(r[c] for c in s.key): r for r in dump.get(t, ())} for t, s in shapes.items()}


State = Mapping[str, Mapping[Key, Row]]


def _pairings(start: State, expected: State, actual: State, shapes: Mapping[str, TableShape]) -> Iterator[Pairing]:
    """Every injective pairing of new rows, table by table; dead ends are left as soon as a paired row disagrees."""
    new = [(t, k) for t in sorted(shapes) for k in expected[t] if k not in start[t]]
    is_new = set(new)

    def agrees(table: str, key: Key, other: Key, pairing: Pairing) -> bool:
        shape = shapes[table]
        for column in shape.columns:
            want, have = expected[table][key][column], actual[table][other][column]
            target = shape.references.get(column)
            if target and (target, (want,)) in is_new and shape.compare.get(column) not in ("clock", "derived"):
                if (target, (want,)) in pairing and pairing[target, (want,)] != (have,):
                    return False
            elif not (shape.generated and column in shape.key) and not _cell(shape, column, want, have):
                return False
        return True

    def extend(i: int, pairing: Pairing, used: set[tuple[str, Key]]) -> Iterator[Pairing]:
        if i == len(new):
            yield dict(pairing)
            return
        table, key = new[i]
        for other in actual[table]:
            if other in start[table] or (table, other) in used:
                continue
            pairing[table, key] = other
            if all(agrees(t, k, o, pairing) for (t, k), o in pairing.items()):
                yield from extend(i + 1, pairing, used | {(table, other)})
            del pairing[table, key]

    return extend(0, {}, set())


def _same(
    start: State,
    expected: State,
    actual: State,
    pairing: Pairing,
    shapes: Mapping[str, TableShape],
    allow: Sequence[str],
    mentions: Mentions,
    holds: Callable[[Answer, str], bool],
) -> bool:
    def renamed(shape: TableShape, row: Row) -> dict[str, Cell]:
        out = dict(row)
        for column, target in shape.references.items():
            if (target, (row[column],)) in pairing:
                out[column] = pairing[target, (row[column],)][0]
        return out

    for table, shape in shapes.items():
        paired = {other for (t, _), other in pairing.items() if t == table}
        for key in actual[table]:
            if key not in start[table] and key not in paired and table not in allow:
                return False  # one row too many
        for key, row in expected[table].items():
            if key in start[table]:
                if key not in actual[table]:
                    if table not in allow:
                        return False  # a row that was to stay is gone
                elif not _same_old_row(shape, start[table][key], renamed(shape, row), actual[table][key], allow):
                    return False
                continue
            other = actual[table][pairing[table, key]]
            for column, want in renamed(shape, row).items():
                says_nothing = shape.generated and column in shape.key and column not in shape.references
                if not says_nothing and not _cell(shape, column, want, other[column]):
                    return False
        for key in start[table]:
            if key not in expected[table] and key in actual[table]:
                return False  # a row that was to go is there
    for table, key, column, answers in mentions:
        text = actual[table].get(pairing.get((table, key), key), {}).get(column)
        for answer in answers:
            new_key = pairing.get((answer.new_in or "", (answer.value,)))
            here = answer.model_copy(update={"value": new_key[0]}) if new_key else answer
            if not isinstance(text, str) or not holds(here, text):
                return False
    return True


def _same_old_row(shape: TableShape, before: Row, want: Row, have: Row, allow: Sequence[str]) -> bool:
    changed = {c for c in shape.columns if want[c] != before[c] and shape.compare.get(c) != "derived"}
    for column in shape.columns:
        if column in changed:
            if have[column] == before[column] or not _cell(shape, column, want[column], have[column]):
                return False
        elif have[column] != before[column]:
            mode = shape.compare.get(column)
            free = mode == "derived" or (mode == "clock" and changed)
            if not free and shape.name not in allow and f"{shape.name}.{column}" not in allow:
                return False
    return True


def _cell(shape: TableShape, column: str, want: Cell, have: Cell) -> bool:
    mode = shape.compare.get(column, "exact")
    if mode in ("clock", "derived"):
        return True
    if mode == "text":
        return bool(str(want or "").strip()) == bool(str(have or "").strip())
    if mode == "fold" and isinstance(want, str) and isinstance(have, str):
        return _bare(want) == _bare(have)
    return want == have


def _bare(text: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn"]
    return " ".join("".join(letters).casefold().split())


# ---------------------------------------------------------------- an episode against the right outcomes


class Truth:
    """The right outcomes of a task, and whether an episode came to one of them."""

    def __init__(self, task: Task, world: World, start: Dump | None = None) -> None:
        """`start`: all rows of the world, where somebody has read them already."""
        self._task, self._world = task, world
        self._given = start

    @cached_property
    def _start(self) -> Dump:
        return self._given or read_rows(self._world.plain_image, self._world.compiled.shapes)

    @cached_property
    def _right(self) -> list[Dump]:
        return [changed(self._world, self._start, expected.change) for expected in self._task.expected]

    def state_is_right(self, trajectory: Trajectory) -> bool:
        """Whether the final state is a right one, and nothing was written where nothing should be."""
        end, shapes, allow = end_of(self._world, trajectory), self._world.compiled.shapes, self._task.allow
        for expected, right in zip(self._task.expected, self._right, strict=True):
            if expected.change.empty and any(call.wrote for call in trajectory.calls):
                continue
            if same_outcome(self._start, right, end, shapes, allow, expected.mentions, self._stands_in):
                return True
        return False

    def was_told(self, trajectory: Trajectory) -> bool:
        """Whether every answer of a right outcome occurs in what the agent said."""
        said = "\n".join(m.content or "" for m in trajectory.messages if m.role == "assistant")
        results = "\n".join(call.result or "" for call in trajectory.calls)
        return any(
            all(
                # the number of a new row differs from run to run: then what the run itself made is to be told
                self._stands_in(answer, said) or (answer.new_in is not None and _told_new(answer, said, results))
                for answer in expected.answers
            )
            for expected in self._task.expected
        )

    def _stands_in(self, answer: Answer, text: str) -> bool:
        return any(place(spelling).search(text) for spelling in spellings(answer, self._world.today) if spelling)


def end_of(world: World, trajectory: Trajectory) -> Dump:
    """All rows after the episode's calls, executed again."""
    environment = SqlEnvironment(world)
    try:
        for call in trajectory.calls:
            if call.ok or call.wrote:  # what was refused left nothing, and its arguments may be no JSON at all
                environment.call(call.name, orjson.loads(call.arguments), actor=call.actor, fault=call.fault)
        return read_rows(environment.snapshot()[0], world.compiled.shapes)
    finally:
        environment.close()


def changed(world: World, start: Dump, change: Change) -> Dump:
    """All rows at the start with a change made to them, row by row."""
    shapes = world.compiled.shapes
    touched = {part.table for parts in (change.inserts, change.updates, change.deletes) for part in parts}
    by_key: dict[str, dict[Key, dict[str, Cell]]] = {
        t: {tuple(row[c] for c in shapes[t].key): dict(row) for row in start[t]} for t in touched
    }
    for gone in change.deletes:
        del by_key[gone.table][gone.key]
    for cell in change.updates:
        by_key[cell.table][cell.key][cell.column] = cell.after
    for new in change.inserts:
        by_key[new.table][new.key] = dict(new.row)
    return {table: list(by_key[table].values()) if table in by_key else rows for table, rows in start.items()}


def place(spelling: str) -> re.Pattern[str]:
    """Where a spelling stands as a whole, not as a part of a longer number, time or word: 18 is not in 18:30."""
    return re.compile(rf"(?<!\w)(?<!\d[.,:]){re.escape(spelling)}(?!\w)(?![.,:]\d)")


def is_day(value: str) -> bool:
    """Whether a text is an ISO date, or a date-time to the minute at least."""
    form = re.fullmatch(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?", value)
    return form is not None and add_days(value[:10], 0) is not None


def spellings(answer: Answer, today: str) -> list[str]:
    """The ways in which an answer's value is usually written; for values of one form, in one order."""
    value = answer.value
    out = [str(value)]
    if answer.money and isinstance(value, int):
        money = say_money(abs(value), "")  # what is paid back is a credit, said without a sign
        return [money, money.replace(",", ""), money.removesuffix(".00")]
    if isinstance(value, int):
        return [*out, say_count(value), say_count(value).capitalize(), f"{value:,}"]
    if isinstance(value, str) and is_day(value):
        out += [say_day(value, style, today) for style in ("day_month", "month_day", "weekday")]
        if len(value) >= 16:
            out += [value[11:16], *(say_clock(value[:16], style) for style in ("iso", "month_day"))]
    elif isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value):
        out += [say_clock(value, style) for style in ("iso", "month_day")]
    return out


def _told_new(answer: Answer, said: str, results: str) -> bool:
    stem = str(answer.value).rstrip("0123456789")
    return any(word.strip('",.;:()[]{}') in said for word in results.split('"') if word.startswith(stem))
