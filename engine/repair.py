"""Mending arguments that are nearly JSON: bounded, marked, and never those of a call that was cut off.

Models wrap JSON in a code fence, leave a comma behind the last item, write Python's words for true, false and null, or
put the object into a string. Each of these has one reading, and only these are mended. Anything else stays as it is:
the tool will say what is wrong with it, and the model can learn from that.
"""

from __future__ import annotations

import json
import re

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(?P<inside>.*?)\n?```\s*\Z", re.DOTALL)
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_WORD = re.compile(rf"({_STRING})|\b(True|False|None)\b", re.DOTALL)
_JSON_WORD = {"True": "true", "False": "false", "None": "null"}


def repair_object(text: str) -> tuple[str, str] | None:
    """The JSON object that a text was meant to be, and what was mended; None where it is one, or cannot be told."""
    if _is_object(text):
        return None
    mended, done = text, []
    if (fence := _FENCE.match(mended)) is not None:
        mended = fence["inside"]
        done.append("took it out of a code fence")
    if (inner := _inside_string(mended)) is not None:
        mended = inner
        done.append("took it out of a string")
    for pattern, what in ((_COMMA, "took out a comma behind the last item"), (_WORD, "wrote Python's words as JSON's")):
        new = pattern.sub(lambda m: m[1] or _JSON_WORD.get(m[0], ""), mended)
        if new != mended and not _is_object(mended):
            mended = new
            done.append(what)
    return (mended, " and ".join(done)) if done and _is_object(mended) else None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _inside_string(text: str) -> str | None:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, str) else None
