"""Are two final states the same outcome? Slow, by full dumps and brute force: a second opinion on the state verdict.

It knows nothing of net changes, propagation or search order. It takes all rows at the start, all rows after the
expected plan and all rows after the episode, tries every way to pair the new rows of one with the new rows of the
other, renames the ids accordingly and compares the two states row by row and cell by cell. Tests use it to decide
whether a planted mistake took effect.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.types import Answer, Cell, TableShape

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
    states = [_by_key(dump, shapes) for dump in (start, expected, actual)]
    return any(_same(*states, pairing, shapes, allow, mentions, holds) for pairing in _pairings(*states, shapes))


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
