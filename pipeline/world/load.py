"""A domain from its folder: strict, with file and line in every complaint.

`load_source` reads and validates the six files; `pipeline.world.compile` then prepares their SQL. The folder listing
is the registry: there is no list of domains anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.types import Frozen
from pipeline import paths
from pipeline.domain import CompareMode, Domain, Intent, Invariant, Population, Rule, Tool
from pipeline.errors import BadInput
from pipeline.identity import content_hash
from pipeline.world.yaml_file import Lines, parse_yaml, validate

FILES = ("domain.yaml", "schema.sql", "tools.yaml", "population.yaml", "intents.yaml", "policy.md")


class _Header(Frozen):
    """What domain.yaml says; see `Domain` for the meaning."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,63}$")
    category: str
    title: str
    summary: str
    lineage: dict[str, Any] = {}
    person: str | None = None
    currency: str = "$"
    ids: dict[str, str] = {}
    compare: dict[str, CompareMode] = {}
    invariants: tuple[Invariant, ...] = ()
    rules: dict[str, Rule] = {}


@dataclass(frozen=True)
class DomainSource:
    """A loaded domain with the lines of its files, for errors that come later."""

    domain: Domain
    files: Mapping[str, bytes]
    lines: Mapping[str, Lines]

    def at(self, file: str, *path: str | int) -> str:
        """`domain/file:line` of a value."""
        return self.lines[file].at(path)


def domain_folders(root: Path | None = None) -> dict[str, Path]:
    """Every domain that is shipped, by name."""
    root = root or paths.domains_root()
    return {file.parent.name: file.parent for file in sorted(root.glob("*/domain.yaml"))}


def find_domain(name_or_folder: str) -> Path:
    """The folder of a domain, given its name or its path. Raises BadInput with near names."""
    folder = Path(name_or_folder)
    if (folder / "domain.yaml").is_file():
        return folder
    shipped = domain_folders()
    if name_or_folder in shipped:
        return shipped[name_or_folder]
    if folder.is_dir():
        raise BadInput("is not a domain: it holds no domain.yaml", where=str(folder))
    known = ", ".join(shipped) or "none"
    raise BadInput(
        f"there is no domain {name_or_folder!r}", remedy=f"Known domains: {known}. A folder's path works too."
    )


def load_domain(folder: Path) -> Domain:
    """The domain in a folder."""
    return load_source(folder).domain


def load_source(folder: Path) -> DomainSource:
    """The domain in a folder, with its lines. Raises BadInput that names file and line of everything wrong."""
    return parse_source(folder.name, read_files(folder))


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a domain as they are. Raises BadInput when one is missing or cannot be read."""
    files: dict[str, bytes] = {}
    for name in FILES:
        try:
            files[name] = (folder / name).read_bytes()
        except FileNotFoundError:
            if name == "policy.md":
                files[name] = b""
                continue
            raise BadInput(
                f"{name} is missing", where=str(folder), remedy="A domain has: " + ", ".join(FILES)
            ) from None
        except OSError as error:
            raise BadInput(f"cannot be read: {error.strerror}", where=f"{folder.name}/{name}") from None
    return files


def name_of(folder: str, files: Mapping[str, bytes]) -> str:
    """What a domain calls itself, from its files. Raises BadInput when domain.yaml is not as it should be."""
    value, lines = parse_yaml(_text(folder, "domain.yaml", files), f"{folder}/domain.yaml")
    header: _Header = validate(_Header, value, lines)
    return header.name


def _text(folder: str, name: str, files: Mapping[str, bytes]) -> str:
    where = f"{folder}/{name}"
    if len(files[name]) > 2_000_000:
        raise BadInput("is larger than 2,000,000 bytes", where=where)
    try:
        return files[name].decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"is not UTF-8 text: {error.reason} at byte {error.start}", where=where) from None


def parse_source(folder: str, files: Mapping[str, bytes]) -> DomainSource:
    """As `load_source`, from the files' bytes (a run keeps its inputs this way)."""
    lines: dict[str, Lines] = {}
    parsed: dict[str, Any] = {}
    for name in FILES:
        text = _text(folder, name, files)
        where = f"{folder}/{name}"
        parsed[name], lines[name] = parse_yaml(text, where) if name.endswith(".yaml") else (text, Lines(where))
    header = validate(_Header, parsed["domain.yaml"], lines["domain.yaml"])
    domain = Domain(
        **header.__dict__,
        tools=validate(tuple[Tool, ...], parsed["tools.yaml"], lines["tools.yaml"]),
        population=validate(Population, parsed["population.yaml"], lines["population.yaml"]),
        intents=validate(tuple[Intent, ...], parsed["intents.yaml"], lines["intents.yaml"]),
        schema_sql=parsed["schema.sql"],
        policy=parsed["policy.md"],
        version=content_hash({name: content_hash(data) for name, data in files.items()}),
    )
    _refuse_twice([tool.name for tool in domain.tools], lines["tools.yaml"])
    _refuse_twice([intent.name for intent in domain.intents], lines["intents.yaml"])
    return DomainSource(domain, dict(files), lines)


def _refuse_twice(names: Sequence[str], lines: Lines) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(f"{name} is defined twice", where=lines.at((i, "name")))
