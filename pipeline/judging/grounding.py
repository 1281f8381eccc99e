"""Where each argument of an episode's calls comes from: people's words, the policy, results, or the tool's own schema.

What counts as coming from them is in `grounds`; here it is asked of every call, with what was known just before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pipeline.judging.grounds import Grounds
from pipeline.judging.values import read
from pipeline.judging.view import ParsedCall, View

# Parameters whose text the agent writes itself: only the values inside it must be known.
WRITTEN = frozenset(
    "body text subject title note notes message comment comments reason description details summary content query "
    "words "
    "search keywords remark remarks memo label request special_requests instructions caption".split()
)


def ungrounded(view: View) -> Iterator[tuple[ParsedCall, str, Any]]:
    """(call, path of the argument, value) for every value of an agent's call that comes from nowhere.

    A call that was refused left nothing behind, and correcting it is what an agent should learn: it is passed over.
    """
    written = WRITTEN | {c.split(".")[1] for c, mode in view.domain.compare.items() if mode == "text"}
    known: set[tuple[str, str]] = set()
    for call in view.agent_calls:
        if call.arguments is None or not (call.call.ok or call.call.wrote):
            continue
        schemas = call.tool.parameters if call.tool else {}
        grounds: Grounds | None = None
        for path, name, value, schema in _leaves(call.arguments, schemas):
            memo = (name, repr(value))
            if memo in known:  # what was known once stays known
                continue
            grounds = grounds or grounds_before(view, call.at)
            if grounds.has(name, value, schema, written):
                known.add(memo)
            else:
                yield call, path, value


def grounds_before(view: View, at: int) -> Grounds:
    """What is known before the message of this index."""
    before = view.trajectory.messages[:at]
    users = [m.content for m in before if m.content and m.role == "user"]
    rules = [m.content for m in before if m.content and m.role == "system"]
    if not any(view.domain.policy in text for text in rules):
        rules.append(view.domain.policy)
    seen = [m.content for m in before if m.content and m.role == "tool"]
    agreed = [u.proposal for u in view.users if u.confirms and u.at < at]
    full = sorted({(y, m, d) for text in rules for y, m, d in read(text).days if y is not None})
    try:
        today = date(*full[0]) if full else None
    except ValueError:
        today = None
    return Grounds(users, rules, seen, agreed, today)


def _leaves(
    arguments: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, Any, Mapping[str, Any]]]:
    """(path, parameter name, value, schema) of every scalar in the arguments."""

    def walk(path: str, name: str, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            for key, inner in value.items():
                yield from walk(f"{path}.{key}", key, inner, properties.get(key, {}))
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                yield from walk(f"{path}.{i}", name, inner, schema.get("items", {}))
        else:
            yield path, name, value, schema

    for name, value in arguments.items():
        yield from walk(name, name, value, schemas.get(name, {}))
