"""What a run is asked to be: its settings, their bounds, and the fingerprint that guards a run folder.

The fingerprint covers what changes the content of a row. How many tasks and attempts, on which runner, with how many
workers and into which folder does not: raising TASKS or ATTEMPTS extends a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from engine.types import Frozen
from pipeline.domain import Kind
from pipeline.errors import BadInput
from pipeline.identity import content_hash
from pipeline.players import without_address
from pipeline.types import FaultKind

SHARD_TASKS = 32  # tasks of one work shard
WORLD_TASKS = 16  # tasks that share one world: population is the costly part

EXTENDS = ("tasks", "attempts", "runner", "workers", "out")  # settings that leave every row as it is


class Limits(Frozen):
    """Bounds of one episode; reaching one ends it with the stop reason of that name."""

    turns: int = Field(60, ge=2, le=1000)  # assistant messages
    calls: int = Field(80, ge=1, le=1000)
    malformed: int = Field(5, ge=1, le=100)  # calls that no tool could take


class RunConfig(Frozen):
    domains: tuple[str, ...] = Field(min_length=1)
    tasks: int = Field(200, ge=1, le=10_000_000)
    attempts: int = Field(2, ge=1, le=64)
    seed: int = Field(0, ge=0, lt=2**63)
    agent: str = "expert:mistakes=0.2"
    user: str = "scripted"
    judge: str = "program"
    language: str = "en"
    kinds: dict[Kind, Annotated[int, Field(ge=0)]] = {  # weights of the mix
        "fulfil": 5,
        "several": 2,
        "clarify": 2,
        "refuse": 2,
        "question": 2,
        "irrelevant": 1,
        "recover": 2,
        "change_of_mind": 1,
        "dual_control": 2,
    }
    limits: Limits = Limits()
    faults: dict[FaultKind, Annotated[float, Field(ge=0, le=0.5)]] = {}  # chance per call, beside those of `recover`
    near_duplicate: float = Field(0.9, gt=0, le=1)  # Jaccard similarity from which a row counts as a copy
    pass_band: tuple[float, float] = (0.0, 1.0)  # keep tasks whose passes/attempts lies within
    per_intent_cap: int | None = Field(None, ge=1)  # most accepted rows of one combination of intents
    runner: Literal["local", "ray"] = "local"
    workers: int = Field(1, ge=1, le=256)
    out: Path = Path("runs")

    @field_validator("domains")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a domain is named twice")
        return value

    @field_validator("pass_band")
    @classmethod
    def _band(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] <= 1:
            raise ValueError("a band is two numbers, 0 ≤ low ≤ high ≤ 1")
        return value

    def content(self) -> dict[str, Any]:
        """The settings that change what a row says."""
        out = self.model_dump(mode="json", exclude=set(EXTENDS))
        return out | {name: without_address(out[name]) for name in ("agent", "user", "judge")}

    def fingerprint(self, inputs: dict[str, str], version: str) -> str:
        """Hash of the content settings, of the input files (name → hash) and of the code's version."""
        return content_hash({"config": self.content(), "inputs": inputs, "version": version})


def read_config(loaded: Any, given: dict[str, Any], file: str = "") -> RunConfig:
    """A config from what a settings file says, with the options given on the command line over it.

    Raises BadInput that names the file or the option.
    """
    if not isinstance(loaded, dict):
        raise BadInput("must be a mapping of settings", where=file, remedy="For example `tasks: 400`.")
    values: dict[str, Any] = dict(loaded)
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]) or "settings"
            source = "--" + name if problem["loc"] and given.get(str(problem["loc"][0])) is not None else file
            text = "unknown setting" if problem["type"] == "extra_forbidden" else problem["msg"]
            shown = (
                "" if problem["type"] in ("missing", "extra_forbidden") else f" (it is {repr(problem['input'])[:80]})"
            )
            lines.append(f"{source}: {name}: {text}{shown}" if source == file else f"{source}: {text}{shown}")
        raise BadInput("\n".join(lines), remedy="See `toolworlds generate --help`.") from None
