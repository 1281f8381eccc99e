"""Where a right plan's values come from: told, seen or constant. A value that comes from nowhere is refused.

Gold calls are written with drawn values. An agent has only what it was told and what it saw, so each argument is traced
to a source here, while the gold runs: a fact of the user, a field of an earlier result, the one row of a list that
fits what is known. What cannot be traced could not be known, and a task that asks for it would be unfair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any

from pipeline.sources import same
from pipeline.tasks.draw import Drop
from pipeline.types import Source
from pipeline.wording import names_in


class Grounding:
    """What an agent knows at one point of one goal, and how each value is found in it."""

    def __init__(self, told: Mapping[str, Any], choices: Mapping[str, Collection[Any]]) -> None:
        """`choices`: names drawn as a declared choice, each with its right values."""
        self.told, self.choices = told, choices
        self.results: dict[str, Any] = {}  # by `as` name or step key, in order
        self.producers: dict[str, str] = {}  # result name → tool

    def saw(self, name: str, tool: str, result: Any) -> None:
        self.results[name] = result
        self.producers[name] = tool

    # ------------------------------------------------------------ from the gold's spelling to a source

    def source(self, spec: Any, values: Mapping[str, Any]) -> tuple[Source, Any]:
        """The source of a gold argument and its value now. Raises Drop("ungrounded") when there is none."""
        if isinstance(spec, str) and spec.startswith("$"):
            name, *path = spec[1:].split(".")
            if path or name in self.results:
                steps = tuple(int(p) if p.isdigit() else p for p in path)
                return Source(by="seen", name=name, path=steps), self._at(spec, name, steps)
            if name not in values:
                raise Drop("ungrounded", f"{spec} is neither drawn nor the name of a result")
            if name in self.told:
                return Source(by="told", name=name), values[name]
            return self.find(name, values[name]), values[name]
        if isinstance(spec, str) and "{{" in spec:
            known = self.told.keys() | self.results.keys()
            if strangers := names_in(spec) - known:
                raise Drop("ungrounded", f"{spec!r} uses {sorted(strangers)[0]}, which the agent does not know")
            return Source(by="text", value=spec), None
        return Source(by="const", value=spec), spec

    def _at(self, spec: str, name: str, path: tuple[str | int, ...]) -> Any:
        try:
            value = self.results[name]
            for part in path:
                value = value[part]
            return value
        except (KeyError, IndexError, TypeError):
            raise Drop("ungrounded", f"{spec}: no result has it") from None

    def find(self, name: str, value: Any) -> Source:
        """The place among the results where an agent can tell that this is the value meant."""
        for result_name, result in reversed(self.results.items()):
            for path, table in _lists(result):
                source = self._in_list(result_name, path, table, name, value)
                if source is not None:
                    return source
            if isinstance(result, dict) and name in result and same(result[name], value):
                return Source(by="seen", name=result_name, path=(name,))
        raise Drop("ungrounded", f"${name} ({value!r}) is not told, and no earlier result shows it discernibly")

    def _in_list(
        self, result: str, path: tuple[str, ...], table: list[dict[str, Any]], name: str, value: Any
    ) -> Source | None:
        rows = [row for row in table if name in row]
        if not any(same(row[name], value) for row in rows):
            return None

        def given(where: dict[str, Source], pick: str = "only") -> Source:
            return Source(by="seen", name=result, path=(*path, name), where=where, pick=pick)

        distinct = {str(row[name]) for row in rows}
        if len(distinct) == 1:
            return given({})
        meant = [row for row in rows if same(row[name], value)]
        known = list(self._known(before=result))
        columns: dict[str, Source] = {}
        for column in meant[0]:
            for source, knows in known if column != name else ():
                if all(not isinstance(row.get(column), (dict, list)) and same(row.get(column), knows) for row in meant):
                    columns[column] = source
                    break
        for size in range(1, min(3, len(columns)) + 1):
            for chosen in combinations(columns, size):
                left = [row for row in rows if all(same(row.get(c), meant[0].get(c)) for c in chosen)]
                if len({str(row[name]) for row in left}) == 1:
                    return given({column: columns[column] for column in chosen})
        if rows[0][name] in self.choices.get(name, ()):
            return given({}, "first")
        return None

    def _known(self, before: str) -> Iterator[tuple[Source, Any]]:
        for name, value in self.told.items():
            yield Source(by="told", name=name), value
        for name, result in self.results.items():
            if name != before and isinstance(result, dict):
                for field, value in result.items():
                    if isinstance(value, (str, int)) and not isinstance(value, bool):
                        yield Source(by="seen", name=name, path=(field,)), value


def _lists(result: Any) -> Iterator[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """The lists of objects of a result: itself, or the fields of an object."""
    if isinstance(result, list):
        yield (), [row for row in result if isinstance(row, dict)]
    elif isinstance(result, dict):
        for field, value in result.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                yield (field,), value
