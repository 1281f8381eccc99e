"""YAML read strictly, with the line of every value.

People and models write domain files, so an error must say where. So every file is size- and depth-limited, aliases and
anchors are refused (an alias bomb is 200 bytes), a key given twice is an error, and only YAML 1.2's plain scalars are
typed: `no`, `on`, `12:30` and `2026-05-01` stay the text that a person meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import BadInput

MAX_BYTES = 2_000_000
MAX_DEPTH = 24

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

Path_ = tuple[str | int, ...]


class Lines:
    """Line numbers of the values of one file, by path (`("tables", "owners", "rows", 0)`)."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._lines: dict[Path_, int] = {}

    def put(self, path: Path_, line: int) -> None:
        self._lines[path] = line

    def at(self, path: Iterable[str | int]) -> str:
        """`file:line` of the value at a path, or of the nearest part of it that the file has."""
        known: Path_ = ()
        for part in path:
            if (*known, part) in self._lines:
                known = (*known, part)
        return f"{self.file}:{self._lines.get(known, 1)}"


def read_yaml(file: Path, name: str | None = None) -> tuple[Any, Lines]:
    """The value of a YAML file and the lines of its parts. `name` is how errors call the file.

    Raises BadInput for a file that cannot be read, is too large or deep, has aliases or duplicate keys, or is not YAML.
    """
    name = name or str(file)
    try:
        data = file.read_bytes()
        if len(data) > MAX_BYTES:
            raise BadInput(f"is larger than {MAX_BYTES:,} bytes", where=name)
        text = data.decode()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=name) from None
    except UnicodeDecodeError as error:
        raise BadInput(f"is not UTF-8 text: {error.reason} at byte {error.start}", where=name) from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """As `read_yaml`, from text."""
    lines = Lines(name)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            mark: Any = event.start_mark
            where = f"{name}:{mark.line + 1}"
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise BadInput("YAML anchors and aliases are not used here", where=where, remedy="Write it out.")
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
                if depth > MAX_DEPTH:
                    raise BadInput(f"is nested deeper than {MAX_DEPTH} levels", where=where)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise BadInput(f"is not YAML: {error.problem or error.context}", where=where) from None
    except yaml.YAMLError as error:
        raise BadInput(f"is not YAML: {error}", where=name) from None
    if node is None:
        raise BadInput("is empty", where=name)
    return _build(node, (), lines), lines


def _build(node: Any, path: Path_, lines: Lines) -> Any:
    lines.put(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        out: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _build(key_node, (*path, "?"), lines)
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                key = str(key_node.value)
            if key in out:
                raise BadInput(f"key {key!r} is given twice", where=f"{lines.file}:{key_node.start_mark.line + 1}")
            out[key] = _build(value_node, (*path, key), lines)
            lines.put((*path, key), key_node.start_mark.line + 1)
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, i), lines) for i, item in enumerate(node.value)]
    text = node.value
    if node.style:  # quoted or block: always text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def validate(kind: Any, value: Any, lines: Lines) -> Any:
    """A value of a pydantic type from what a file says; BadInput lists every problem with its line."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"]) or "file"
            message = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
            message = message.removeprefix("Value error, ")
            problems.append(f"{lines.at(problem['loc'])}: {place}: {message}")
        raise BadInput("\n".join(dict.fromkeys(problems))) from None
