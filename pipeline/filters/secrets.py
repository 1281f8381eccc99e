"""Keep secrets out of the dataset: the process's own, and anything in the shape of a key.

A model that is shown an error page, or a tool that echoes its environment, can put a credential into a conversation.
The values of this process's secret-looking environment variables are canaries; common key shapes are matched besides.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from pipeline.config import RunConfig
from pipeline.types import Trajectory
from pipeline.verdicts import Record, Verdict

REDACTED = "[redacted]"
SAID = {"messages", "calls", "change", "failure"}  # the rest is ours: ids, hashes, the tools' schemas
_NAME = re.compile(r"(?i)key|token|secret|passw|credential|auth")
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, Moonshot and others
    r"|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|AIza[0-9A-Za-z_-]{35}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"  # JSON web token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r")"
)
# How any of these begins: looking for plain text first is much faster than matching shapes at every character.
_STARTS = (
    "sk-",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "hf_",
    "AIza",
    "xox",
    "eyJ",
    "-----BEGIN ",
)


def secrets(record: Record, config: RunConfig) -> str | None:
    """Drops a row in which a secret occurs; says what kind, never the secret."""
    text = record.trajectory.model_dump_json(include=SAID)
    for name, value in canaries(os.environ).items():
        if _spelled(value) in text:
            return f"the value of the environment variable {name} occurs"
    found = _SHAPES.search(text) if any(start in text for start in _STARTS) else None
    return None if found is None else f"text in the shape of a key occurs ({found.group()[:4]}…)"


def redact(record: Record) -> Record:
    """The record with every secret replaced. Such a row no longer replays: its texts are not what they were."""
    texts = [record.trajectory.model_dump_json(by_alias=True), record.verdict.model_dump_json(by_alias=True)]
    for value in canaries(os.environ).values():
        texts = [text.replace(_spelled(value), REDACTED) for text in texts]
    trajectory, verdict = (_SHAPES.sub(REDACTED, text) for text in texts)
    return record.model_copy(
        update={
            "trajectory": Trajectory.model_validate_json(trajectory),
            "verdict": Verdict.model_validate_json(verdict),
        }
    )


def canaries(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables whose name and value both look like a secret's: long, one word, letters and digits, no path."""
    return {
        name: value
        for name, value in environment.items()
        if _NAME.search(name)
        and len(value) >= 16
        and not value.startswith(("/", "."))
        and not re.search(r"\s", value)
        and re.search(r"\d", value)
        and re.search(r"[A-Za-z]", value)
    }


def _spelled(value: str) -> str:
    """The value as it stands inside JSON text."""
    return json.dumps(value, ensure_ascii=False)[1:-1]
