"""What really became of an episode, found out slowly and without the verdict under test.

The episode's calls are executed again and the whole database is read; so is the start, and every right outcome. Which
of them the episode reached is decided by brute force (`tests.judging.oracle`); whether an answer was told, by looking
for its spellings in what the agent said.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.types import Answer, Cell, Change, Task, Trajectory
from pipeline.wording import say_clock, say_count, say_day, say_money
from pipeline.world import SqlEnvironment, World
from tests.judging.oracle import Dump, same_outcome


def read_image(image: bytes, tables: Mapping[str, Any]) -> dict[str, list[dict[str, Cell]]]:
    """All rows of all tables of a database image."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(image)
    connection.row_factory = sqlite3.Row
    out = {table: [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')] for table in tables}
    connection.close()
    return out


def end_of(world: World, trajectory: Trajectory) -> dict[str, list[dict[str, Cell]]]:
    """All rows after the episode's calls, executed again."""
    environment = SqlEnvironment(world)
    try:
        for call in trajectory.calls:
            environment.call(call.name, orjson.loads(call.arguments), actor=call.actor, fault=call.fault)
        return read_image(environment.snapshot()[0], world.compiled.shapes)
    finally:
        environment.close()


def changed(world: World, start: Dump, change: Change) -> Dump:
    """All rows at the start with a change made to them, row by row."""
    shapes = world.compiled.shapes
    touched = {part.table for parts in (change.inserts, change.updates, change.deletes) for part in parts}
    by_key = {t: {tuple(row[c] for c in shapes[t].key): dict(row) for row in start[t]} for t in touched}
    for gone in change.deletes:
        del by_key[gone.table][gone.key]
    for cell in change.updates:
        by_key[cell.table][cell.key][cell.column] = cell.after
    for new in change.inserts:
        by_key[new.table][new.key] = dict(new.row)
    return {table: list(by_key[table].values()) if table in by_key else rows for table, rows in start.items()}


_STARTS: dict[str, dict[str, list[dict[str, Cell]]]] = {}


def _start(state: str, world: World) -> Dump:
    """All rows at the start; a world is read once for its many tasks."""
    if state not in _STARTS:
        if len(_STARTS) > 8:
            _STARTS.clear()
        _STARTS[state] = read_image(world.plain_image, world.compiled.shapes)
    return _STARTS[state]


class Truth:
    """The right outcomes of a task, and whether an episode came to one of them."""

    def __init__(self, task: Task, world: World) -> None:
        self._task, self._world = task, world
        self._start = _start(world.state, world)
        self._right = [changed(world, self._start, expected.change) for expected in task.expected]

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
                self._stands_in(answer, said) or (answer.new_in is not None and self._told_new(answer, said, results))
                for answer in expected.answers
            )
            for expected in self._task.expected
        )

    def _told_new(self, answer: Answer, said: str, results: str) -> bool:
        stem = str(answer.value).rstrip("0123456789")
        return any(word.strip('",.;:()[]{}') in said for word in results.split('"') if word.startswith(stem))

    def _stands_in(self, answer: Answer, text: str) -> bool:
        # not as a part of a longer number or word: 88.00 does not stand in 188.00
        parts = (re.escape(spelling) for spelling in self._spellings(answer) if spelling)
        return any(re.search(rf"(?<!\w)(?<!\d[.,]){part}(?!\w)(?![.,]\d)", text) for part in parts)

    def _spellings(self, answer: Answer) -> list[str]:
        value = answer.value
        out = [str(value)]
        if answer.money and isinstance(value, int):
            money = say_money(abs(value), "")  # what is paid back is a credit, said without a sign
            return [money, money.replace(",", ""), money.removesuffix(".00")]
        if isinstance(value, int):
            return [*out, say_count(value), say_count(value).capitalize(), f"{value:,}"]
        if isinstance(value, str) and len(value) >= 10 and value[4:5] == value[7:8] == "-":
            out += [say_day(value, style, self._world.today) for style in ("day_month", "month_day", "weekday")]
            if len(value) >= 16:
                out += [value[11:16], *(say_clock(value[:16], style) for style in ("iso", "month_day"))]
        elif isinstance(value, str) and len(value) == 5 and value[2] == ":":
            out += [say_clock(value, style) for style in ("iso", "month_day")]
        return out
