"""A very small domain made of text, for tests of the engine: each test writes only the part that it is about."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from pipeline.world import CompiledDomain, SqlEnvironment, World, compile_domain, parse_source, populate

HEADER = """
name: small
category: test
title: Small
summary: A very small domain.
ids: {notes: "N-{n:03}"}
"""
SCHEMA = """
CREATE TABLE boxes (box_id INTEGER PRIMARY KEY, label TEXT NOT NULL, size INTEGER NOT NULL CHECK (size >= 0)) STRICT;
CREATE TABLE notes (
  note_id TEXT PRIMARY KEY, box_id INTEGER NOT NULL REFERENCES boxes ON DELETE CASCADE, body TEXT, at TEXT
) STRICT;
CREATE TRIGGER full BEFORE UPDATE ON boxes WHEN NEW.size > 100
BEGIN SELECT RAISE(ABORT, 'The box is full.'); END;
"""
POPULATION = """
clock: {days: [2026-03-01, 2026-03-31], time: "08:30:00"}
tables:
  boxes:
    rows: [6, 6]
    columns: {box_id: {sql: "SELECT coalesce(max(box_id), 0) + 1 FROM boxes"}, label: {choose: [red, green, blue]}, size: {int: [1, 50]}}
  notes:
    per: {boxes: {1: 1}}
    columns: {note_id: {id: "N-{n:03}"}, box_id: {parent: box_id}, body: {const: Hello.}, at: {sql: "SELECT :today || ' 07:00:00'"}}
"""  # noqa: E501


def tool(name: str, *, returns: str = "SELECT 1 AS done", parameters: str = "{}", more: str = "") -> str:
    """One tool as YAML; `more` holds its requires and effects."""
    return (
        f"- name: {name}\n  description: A tool for tests.\n  parameters: {parameters}\n"
        + "".join(f"  {line}\n" for line in dedent(more).strip().splitlines())
        + f"  returns: {returns}\n"
    )


def files(
    tools: str = tool("look"),
    *,
    schema: str = SCHEMA,
    population: str = POPULATION,
    header: str = HEADER,
    intents: str = "[]",
) -> dict[str, bytes]:
    """The files of the domain, by name."""
    texts = {
        "domain.yaml": header,
        "schema.sql": schema,
        "tools.yaml": tools,
        "population.yaml": population,
        "intents.yaml": intents,
        "policy.md": "Be kind.",
    }
    return {name: text.lstrip("\n").encode() for name, text in texts.items()}


def compiled(*args: str, **parts: str) -> CompiledDomain:
    return compile_domain(parse_source("small", files(*args, **parts)))


def made(*args: str, **parts: str) -> World:
    """The domain's world of seed 1."""
    return populate(compiled(*args, **parts), 1)


def opened(*args: str, **parts: str) -> SqlEnvironment:
    """An episode in that world."""
    return SqlEnvironment(made(*args, **parts))


def write(folder: Path, parts: dict[str, bytes]) -> Path:
    """The files in a folder called `small`."""
    into = folder / "small"
    into.mkdir()
    for name, data in parts.items():
        (into / name).write_bytes(data)
    return into
