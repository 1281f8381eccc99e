"""Looking a value up where a plan says it is found.

A `Source` says whether a value was told, is seen in a result, or is constant. Whoever makes tasks traces values to
sources; whoever acts on a plan looks them up in what it knows, and has no other way to a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.types import Proof, Source
from pipeline.wording import fold, names_in, render


def same(a: Any, b: Any) -> bool:
    """Whether a told or seen value and a cell are the same, however written."""
    return a == b if isinstance(a, int) and isinstance(b, int) else fold(a) == fold(b)


def look_up(source: Source, told: Mapping[str, Any], results: Mapping[str, Any]) -> Any:
    """The value of a told, seen or constant source, for one who knows `told` and `results`.

    Raises KeyError when it is not known (not told yet, not seen, or not discernible).
    """
    if source.by == "const":
        return source.value
    if source.by == "told":
        return told[source.name]
    value = results[source.name]
    *way, last = source.path if source.path else ("",)
    if not source.path:
        return value
    try:
        for part in way:
            value = value[part]
        if isinstance(value, list) and isinstance(last, str):
            rows = [row for row in value if isinstance(row, dict) and last in row]
            for column, needed in source.where.items():
                want = look_up(needed, told, results)
                rows = [row for row in rows if same(row.get(column), want)]
            if not rows or (source.pick == "only" and len({str(row[last]) for row in rows}) > 1):
                raise KeyError(f"{source.name}.{last}")
            return rows[0][last]
        return value[last]
    except (IndexError, TypeError):
        raise KeyError(f"{source.name}.{last}") from None


def told_in(source: Source, facts: Mapping[str, Any]) -> list[str]:
    """The facts that a source needs."""
    if source.by == "told":
        return [source.name]
    if source.by == "text":
        return [name for name in sorted(names_in(source.value)) if name in facts]
    return [name for part in source.where.values() for name in told_in(part, facts)]


def seen_in(source: Source) -> frozenset[str]:
    """The results that a source needs (of a text: also the facts; who asks knows which names are results)."""
    if source.by == "text":
        return names_in(source.value)
    own = frozenset({source.name} if source.by == "seen" else ())
    return own.union(*(seen_in(part) for part in source.where.values()))


def fit(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value as a parameter's type wants it: what was told as text may be needed as a number."""
    kind = schema.get("type")
    if kind == "integer" and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if kind == "boolean" and isinstance(value, int):
        return bool(value)
    if kind == "string" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def fill(
    sources: Mapping[str, Source],
    parameters: Mapping[str, Mapping[str, Any]],
    told: Mapping[str, Any],
    results: Mapping[str, Any],
    currency: str,
) -> dict[str, Any]:
    """The arguments of a planned call, in the order of the tool's parameters, for one who knows `told` and `results`.

    Raises KeyError when a value is not known, BadInput when a text cannot be written.
    """
    values = {}
    for name, schema in parameters.items():
        if name in sources:
            source = sources[name]
            if source.by == "text":
                value: Any = render(source.value, {**told, **results}, currency=currency)
            else:
                value = look_up(source, told, results)
            values[name] = fit(value, schema)
    return values


# ---------------------------------------------------------------- proofs of a write


def rows_of(result: Any) -> list[dict[str, Any]]:
    """The rows that a look-up's result shows: its elements, or itself and the elements of its lists."""
    if isinstance(result, list):
        return [row for row in result if isinstance(row, dict)]
    if not isinstance(result, dict):
        return []
    inner = [row for value in result.values() if isinstance(value, list) for row in value if isinstance(row, dict)]
    return [result, *inner]


def shown(proof: Proof, row: Mapping[str, Any], told: Mapping[str, Any], results: Mapping[str, Any]) -> bool:
    """Whether a row of a proof's look-up shows that the write took effect. Raises KeyError as `look_up` does."""
    return all(c in row and same(row[c], look_up(source, told, results)) for c, source in proof.row.items())
