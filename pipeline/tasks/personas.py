"""How users speak: a file of personas that people read and edit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.types import Persona
from pipeline.world.yaml_file import parse_yaml, validate

FILE = Path(__file__).with_name("personas.yaml")


@lru_cache(maxsize=4)
def parse_personas(text: str, name: str) -> tuple[Persona, ...]:
    """The personas that a file's text holds. Raises BadInput with the line."""
    value, lines = parse_yaml(text, name)
    personas: tuple[Persona, ...] = validate(tuple[Persona, ...], value, lines)
    if not personas:
        raise BadInput("holds no persona", where=name)
    return personas


def load_personas() -> tuple[Persona, ...]:
    """The personas that ship with the project."""
    return parse_personas(FILE.read_text(encoding="utf-8"), FILE.name)
