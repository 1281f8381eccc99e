"""A tool's effects, bent: the statement with one of the columns that it writes given another value.

Works on the statement's own text, piece by piece, so that everything but the one value stays as its author wrote it.
`pipeline.check.survivors` asks whether anything in the domain would notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.types import TableShape
from pipeline.world.change import quoted

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>'(?:[^']|'')*')
    |(?P<word>"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`|[^\W\d]\w*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_NEW = re.compile(r"\b(?:new|last)_id\s*\(", re.IGNORECASE)
_VERBS = ("INSERT", "REPLACE", "UPDATE", "DELETE")
_FREE = ("clock", "text")  # compare modes of columns that a task does not decide


class Written(NamedTuple):
    """One value that a statement writes: the column, and where in the statement its expression stands."""

    table: str
    column: str
    spans: tuple[tuple[int, int], ...]  # a compound SELECT, or several rows of VALUES, have one each


class Opaque(Exception):
    """A statement that writes columns without naming a value for each."""


class _Token(NamedTuple):
    word: str  # upper case for a bare word, the name itself for a quoted one, the sign for the rest
    start: int
    end: int
    depth: int  # of parentheses around it


def target(sql: str, shapes: Mapping[str, TableShape]) -> tuple[str, str]:
    """(INSERT, UPDATE or DELETE, the table) of an effect."""
    tokens = _tokens(sql)
    at = _target(tokens)
    verb = next(t.word for t in tokens if not t.depth and t.word in _VERBS)
    return "INSERT" if verb == "REPLACE" else verb, _known(sql, tokens[at], shapes)


def columns_written(sql: str, shapes: Mapping[str, TableShape]) -> tuple[Written, ...]:
    """The columns that an effect assigns, each with its expression. Nothing for DELETE.

    Left out: the key of a new row and references to new rows (`new_id`, `last_id`), and columns whose value no task
    decides (compared as clock or text). Raises Opaque for `INSERT … SELECT *` and for `SET (a, b) = …`.
    """
    tokens = _tokens(sql)
    at = _target(tokens)
    verb, table = target(sql, shapes)
    if verb == "DELETE":
        return ()
    shape = shapes[table]
    found = _updates(sql, tokens, at) if verb == "UPDATE" else _inserts(sql, tokens, at, shape)
    known = {column.casefold(): column for column in shape.columns}
    written: dict[str, list[tuple[int, int]]] = {}
    for name, span in found:
        column = known[name.casefold()]
        if shape.compare.get(column) not in _FREE and not _NEW.search(sql[slice(*span)]):
            written.setdefault(column, []).append(span)
    return tuple(Written(table, column, tuple(spans)) for column, spans in written.items())


def _target(tokens: Sequence[_Token]) -> int:
    """Where the name of the table stands that a statement changes."""
    at = next(i for i, t in enumerate(tokens) if not t.depth and t.word in _VERBS)
    if tokens[at + 1].word == "OR":  # INSERT OR IGNORE, UPDATE OR REPLACE
        at += 2
    return at + (2 if tokens[at + 1].word in ("INTO", "FROM") else 1)


def _known(sql: str, token: _Token, shapes: Mapping[str, TableShape]) -> str:
    return {name.casefold(): name for name in shapes}[_name(sql, token).casefold()]


def bent(sql: str, written: Written, kind: str, others: Sequence[str]) -> str:
    """The statement with another value for one column. `kind`: INTEGER or TEXT; `others`: two values that it has."""
    for start, end in reversed(written.spans):
        sql = sql[:start] + _another(sql[start:end].strip(), kind, others) + sql[end:]
    return sql


def _another(value: str, kind: str, others: Sequence[str]) -> str:
    """SQL for a value of the same type that differs: a number one up, a day later, another of the column's texts."""
    if kind != "TEXT":
        return f" coalesce(({value}) + 1, 1) "
    first = _literal(others[0]) if others else "'~'"
    second = _literal(others[1]) if len(others) > 1 else f"{first} || '~'"
    day = f"add_days(({value}), 1) || substr(({value}), 11)"
    return f" coalesce({day}, CASE ({value}) WHEN {first} THEN {second} ELSE {first} END) "


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# ---------------------------------------------------------------- where the values stand


def _tokens(sql: str) -> list[_Token]:
    out: list[_Token] = []
    depth = 0
    for found in _TOKEN.finditer(sql):
        if found.lastgroup == "skip":
            continue
        text = found.group()
        if text == ")":
            depth -= 1
        word = text.upper() if found.lastgroup == "word" and text[0] not in '"[`' else text
        out.append(_Token(word if found.lastgroup != "text" else "''", found.start(), found.end(), depth))
        if text == "(":
            depth += 1
    return out


def _name(sql: str, token: _Token) -> str:
    text = sql[token.start : token.end]
    return text[1:-1] if text[0] in '"[`' else text


def _updates(sql: str, tokens: Sequence[_Token], at: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """(column, span) of each assignment after the first SET from `at` on."""
    start = next(i for i in range(at, len(tokens)) if tokens[i].word == "SET" and not tokens[i].depth) + 1
    stop = _end(tokens, start, ("FROM", "WHERE", "RETURNING", "ORDER", "LIMIT"))
    for first, last in _items(tokens, start, stop):
        if tokens[first].word == "(":
            raise Opaque("it assigns several columns at once")
        yield _name(sql, tokens[first]), (tokens[first + 1].end, tokens[last].end)


def _inserts(sql: str, tokens: Sequence[_Token], at: int, shape: TableShape) -> Iterator[tuple[str, tuple[int, int]]]:
    """(column, span) of each value of an INSERT, and of each assignment of its ON CONFLICT clause."""
    columns: Sequence[str] = shape.columns
    at += 1
    if tokens[at].word == "AS":
        at += 2
    if tokens[at].word == "(":
        stop = next(i for i in range(at + 1, len(tokens)) if tokens[i].word == ")" and not tokens[i].depth)
        columns = [_name(sql, tokens[first]) for first, _ in _items(tokens, at + 1, stop)]
        at = stop + 1
    conflict = next((i for i in range(at, len(tokens) - 1) if _conflict(tokens, i)), len(tokens))
    for i in range(at, conflict):
        if tokens[i].depth:
            continue
        if tokens[i].word == "VALUES":
            for row in (k for k in range(i + 1, conflict) if tokens[k].word == "(" and not tokens[k].depth):
                stop = next(k for k in range(row, conflict) if tokens[k].word == ")" and not tokens[k].depth)
                yield from _row(tokens, columns, row + 1, stop)
        elif tokens[i].word == "SELECT":
            first = i + 1 + (tokens[i + 1].word in ("DISTINCT", "ALL"))
            ends = ("FROM", "WHERE", "GROUP", "UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT", "RETURNING")
            yield from _row(tokens, columns, first, min(_end(tokens, first, ends), conflict))
    if any(t.word == "SET" for t in tokens[conflict:]):
        yield from _updates(sql, tokens, conflict)


def _conflict(tokens: Sequence[_Token], i: int) -> bool:
    return tokens[i].word == "ON" and not tokens[i].depth and tokens[i + 1].word == "CONFLICT"


def _row(
    tokens: Sequence[_Token], columns: Sequence[str], start: int, stop: int
) -> Iterator[tuple[str, tuple[int, int]]]:
    items = list(_items(tokens, start, stop))
    if len(items) != len(columns):
        raise Opaque(f"it gives {len(items)} values for {len(columns)} columns")
    for column, (first, last) in zip(columns, items, strict=True):
        depth = tokens[first].depth
        alias = next((i for i in range(first, last) if tokens[i].word == "AS" and tokens[i].depth == depth), last + 1)
        yield column, (tokens[first].start, tokens[alias - 1].end)


def _end(tokens: Sequence[_Token], start: int, words: Sequence[str]) -> int:
    """Where the list that starts here ends: at the first of these words on its level, or with the statement."""
    for i in range(start, len(tokens)):
        token = tokens[i]
        within = token.word == "FROM" and tokens[i - 1].word == "DISTINCT"  # x IS NOT DISTINCT FROM y
        if token.word == ";" or (token.word in words and token.depth == tokens[start].depth and not within):
            return i
    return len(tokens)


def _items(tokens: Sequence[_Token], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """(first, last) token of each part between commas on the level of `start`."""
    depth, first = tokens[start].depth, start
    for i in range(start, stop):
        if tokens[i].word == "," and tokens[i].depth == depth:
            yield first, i - 1
            first = i + 1
    if first < stop:
        yield first, stop - 1


def values_of(table: str, column: str) -> str:
    """SQL for texts that a column holds, most frequent first: what a bent value may be."""
    name = quoted(column)
    return f"SELECT {name} AS v FROM {quoted(table)} WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
