"""The map m from expected to actual new rows: whether two net changes are the same up to the ids of new rows.

New ids differ from run to run, and rows that look alike are told apart only by what refers to them. So this is a small
constraint problem: each expected new row is a variable, its values are the actual new rows of the same table whose own
cells agree; a reference to a new row (and a text that must mention a new id) links two variables; no value is used
twice. Here the problem is set up; `search` solves it, within a budget: one that is used up is a difference of kind
"search", never a pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pipeline.domain import CompareMode
from pipeline.judging.communicated import communicated
from pipeline.judging.compare import compared_columns, same_cell, unexpected_updates
from pipeline.judging.nearest import nearest_differences
from pipeline.judging.search import Domains, Exhausted, Links, Mentions, solve
from pipeline.types import Answer, Cell, Change, Expected, TableShape
from pipeline.verdicts import Difference

Key = tuple[Cell, ...]
RowId = tuple[str, Key]
RowMap = dict[RowId, Key]
"""(table, key of an expected new row) → key of the actual new row that stands for it."""
Told = Callable[[Answer, Cell], bool]
"""Whether an answer was communicated, its value being this one."""

MAX_NODES = 2_000  # steps of the search; honest work needs as many as there are rows that look alike


def match_change(
    expected: Expected,
    actual: Change,
    shapes: Mapping[str, TableShape],
    allow: Sequence[str] = (),
    *,
    told: Told | None = None,
    max_nodes: int = MAX_NODES,
) -> tuple[RowMap | None, tuple[Difference, ...]]:
    """The map if `actual` is the expected change (differences are then empty), else None and how they differ.

    With `told`, a map by which every answer that is a new id was communicated is preferred: rows that are alike in all
    else may be named by either id. Whether the answers were in fact told is left to the caller.
    """
    exhausted = False
    try:
        problem = _Problem(expected, actual, shapes, frozenset(allow))
        if told is not None:
            named = [(a, told) for a in expected.answers if (a.new_in, (a.value,)) in problem.variable]
            found = problem.solve(max_nodes, named) if named else None
            if found is not None:
                return found, ()
        found = problem.solve(max_nodes, [])
        if found is not None:
            return found, ()
    except _Unequal:
        pass
    except Exhausted:
        exhausted = True
    differences = nearest_differences(expected, actual, shapes, allow)
    if exhausted or not differences:
        detail = "too many rows look alike to be told apart" if exhausted else "new rows are linked in another way"
        differences = (*differences, Difference(kind="search", detail=detail))
    return None, differences


class _Unequal(Exception):
    """The two changes cannot be the same."""


class _Problem:
    """The constraint problem of one pair of changes. Raises _Unequal where it is seen at once to have no solution."""

    def __init__(
        self, expected: Expected, actual: Change, shapes: Mapping[str, TableShape], allow: frozenset[str]
    ) -> None:
        self.expected, self.actual, self.shapes, self.allow = expected, actual, shapes, allow
        self.rows = expected.change.inserts
        self.values = actual.inserts
        self.variable = {(r.table, r.key): i for i, r in enumerate(self.rows)}
        self.value = {(r.table, r.key): i for i, r in enumerate(self.values)}
        self.links: Links = []
        self.mentions: Mentions = []
        self._count_rows()
        self.domains: Domains = self._own_cells()
        self._degrees()
        self._updates()
        self._deletes_and_extras()
        self._mentions()
        groups: dict[str, list[int]] = {}
        for i, row in enumerate(self.rows):
            groups.setdefault(row.table, []).append(i)
        self.groups = list(groups.values())

    # ------------------------------------------------------------ what each row may be, seen alone

    def _count_rows(self) -> None:
        want = Counter(r.table for r in self.rows)
        have = Counter(r.table for r in self.values)
        for table in want.keys() | have.keys():
            if want[table] > have[table] or (want[table] < have[table] and table not in self.allow):
                raise _Unequal

    def _own_cells(self) -> Domains:
        by_table: dict[str, list[int]] = {}
        for j, value in enumerate(self.values):
            by_table.setdefault(value.table, []).append(j)
        domains: Domains = []
        for i, row in enumerate(self.rows):
            shape = self.shapes[row.table]
            plain: list[tuple[str, CompareMode, Cell]] = []
            links: list[tuple[str, str, int]] = []
            for column in compared_columns(shape):
                cell, target = row.row.get(column), shape.references.get(column)
                parent = self.variable.get((target, (cell,))) if target else None
                if parent is not None and target:
                    links.append((column, target, parent))
                else:
                    plain.append((column, shape.compare.get(column, "exact"), cell))
            candidates = by_table.get(row.table, [])
            domain = {j for j in candidates if all(same_cell(m, c, self.values[j].row.get(k)) for k, m, c in plain)}
            for column, target, parent in links:
                to = {}
                for j in domain:
                    referred = self.value.get((target, (self.values[j].row.get(column),)))
                    if referred is not None:
                        to[j] = referred
                domain &= to.keys()
                self.links.append((i, parent, to))
            if not domain:
                raise _Unequal
            domains.append(domain)
        return domains

    def _degrees(self) -> None:
        """A row and the row that stands for it have as many new children, by table and column.

        Only a lower bound where the children's table may have further rows.
        """
        want: Counter[tuple[int, str, str]] = Counter()
        have: Counter[tuple[int, str, str]] = Counter()
        for rows, index, counts in ((self.rows, self.variable, want), (self.values, self.value, have)):
            for row in rows:
                shape = self.shapes[row.table]
                for column, target in shape.references.items():
                    parent = index.get((target, (row.row.get(column),)))
                    if parent is not None and shape.compare.get(column, "exact") not in ("clock", "derived"):
                        counts[parent, row.table, column] += 1
        kinds = {(table, column) for _, table, column in (*want, *have)}
        for i, domain in enumerate(self.domains):
            for table, column in kinds:
                n, open_ended = want[i, table, column], table in self.allow
                domain -= {
                    j for j in domain if have[j, table, column] < n or (have[j, table, column] > n and not open_ended)
                }

    # ------------------------------------------------------------ cells of old rows, deletes, what else happened

    def _updates(self) -> None:
        now = {(u.table, u.key, u.column): u for u in self.actual.updates}
        for update in self.expected.change.updates:
            shape = self.shapes[update.table]
            mode = shape.compare.get(update.column, "exact")
            if mode == "derived":
                continue
            other = now.get((update.table, update.key, update.column))
            if other is None:
                raise _Unequal
            target = shape.references.get(update.column)
            new = self.variable.get((target, (update.after,))) if target else None
            if new is not None and target and mode != "clock":
                # An old row that points to a new one says which new row it is.
                value = self.value.get((target, (other.after,)))
                self.domains[new] &= {value} if value is not None else set()
            elif not same_cell(mode, update.after, other.after):
                raise _Unequal

    def _deletes_and_extras(self) -> None:
        gone = {(d.table, d.key) for d in self.actual.deletes}
        want = {(d.table, d.key) for d in self.expected.change.deletes}
        if want - gone or any(table not in self.allow for table, _ in gone - want):
            raise _Unequal
        if unexpected_updates(self.expected, self.actual, self.shapes, self.allow):
            raise _Unequal

    def _mentions(self) -> None:
        cells = {(u.table, u.key, u.column): u.after for u in self.actual.updates}
        for table, key, column, answers in self.expected.mentions:
            writer = self.variable.get((table, key))
            for answer in answers:
                new = self.variable.get((answer.new_in or "", (answer.value,)))
                if writer is None:  # the text of an old row
                    text = cells.get((table, key, column))
                    if new is None and not _holds(text, answer):
                        raise _Unequal
                    if new is not None:
                        self.domains[new] = {j for j in self.domains[new] if _holds(text, self._as(answer, j))}
                    continue
                texts = {j: self.values[j].row.get(column) for j in self.domains[writer]}
                if new is None:
                    self.domains[writer] = {j for j, text in texts.items() if _holds(text, answer)}
                else:
                    ids = self.domains[new]
                    held = {j: {k for k in ids if _holds(t, self._as(answer, k))} for j, t in texts.items()}
                    self.mentions.append((writer, new, held))

    def _as(self, answer: Answer, value: int) -> Answer:
        return answer.model_copy(update={"value": self.values[value].key[0]})

    def solve(self, max_nodes: int, named: list[tuple[Answer, Told]]) -> RowMap | None:
        """A map, or None when there is none. Raises Exhausted."""
        domains = [set(d) for d in self.domains]
        for answer, told in named:
            i = self.variable[answer.new_in or "", (answer.value,)]
            domains[i] = {j for j in domains[i] if told(answer, self.values[j].key[0])}
        found = solve(domains, self.links, self.mentions, self.groups, max_nodes)
        if found is None:
            return None
        return {(r.table, r.key): self.values[j].key for r, j in zip(self.rows, found, strict=True)}


def _holds(text: Cell, answer: Answer) -> bool:
    return isinstance(text, str) and communicated(answer, text)
