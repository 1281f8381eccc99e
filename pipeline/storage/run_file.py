"""run.json: which run a folder holds, and how to say that it is another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.types import Frozen
from pipeline.config import RunConfig
from pipeline.errors import BadInput


class RunFile(Frozen):
    """What run.json says. `inputs`: hash of each input file by relative path."""

    format: int = 1
    config: RunConfig
    fingerprint: str
    versions: dict[str, str]
    inputs: dict[str, str]


def read_run_file(path: Path) -> RunFile:
    file = path / "run.json"
    try:
        return RunFile.model_validate_json(file.read_bytes())
    except (ValidationError, OSError):
        remedy = "Choose another output folder, or remove this one."
        raise BadInput("this is not a run.json that this version reads", where=str(file), remedy=remedy) from None


def another_run(path: Path, found: RunFile, wanted: RunFile) -> BadInput:
    """The refusal of another config's folder, with every difference shown."""
    lines = _differences(found.config.content(), wanted.config.content())
    lines += [f"{line} (input file)" for line in _differences(found.inputs, wanted.inputs)]
    lines += [f"{line} (version)" for line in _differences(found.versions, wanted.versions)]
    what = "this run was made with other settings:\n" + "\n".join(f"  {line}" for line in lines or ["the fingerprint"])
    remedy = "Use the settings of the run to go on with it, or another folder (--out) for a new one."
    return BadInput(what, where=str(path), remedy=remedy)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {_shown(old.get(name))} there, {_shown(new.get(name))} now"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _shown(value: Any) -> str:
    return "absent" if value is None else str(value)
