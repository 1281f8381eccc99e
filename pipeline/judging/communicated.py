from __future__ import annotations

from pipeline.types import Answer


def communicated(answer: Answer, text: str) -> bool:
    return str(answer.value) in text
