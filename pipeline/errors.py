"""The failure vocabulary: what can go wrong, whose fault it is, and which exit code it means.

A bad rollout is data, not a crash: inside an episode a failure becomes a status (`classify`). What a person did wrong
is a `BadInput` with what, where and what to do; it is printed without a traceback.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

Status = Literal["ok", "agent_failure", "user_failure", "judge_failure", "domain_defect", "infra_failure"]


class Exit(IntEnum):
    """Exit codes of the command line."""

    COMPLETE = 0
    BAD_INPUT = 2
    INCOMPLETE = 3  # something is undone; the same command resumes
    UNVERIFIED = 4  # a check or a replay found something wrong


class ToolworldsError(Exception):
    """Base of every error that we raise on purpose; the text is meant for the person who reads it."""

    exit = Exit.BAD_INPUT


class BadInput(ToolworldsError):
    """Something the person gave cannot be used. `where` is a file (with line), an option or a folder."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__("\n".join(part for part in (f"{where}: {what}" if where else what, remedy) if part))


class Incomplete(ToolworldsError):
    """The run could not be finished now (disk full, interrupted, undone episodes); the same command resumes."""

    exit = Exit.INCOMPLETE


class Unverified(ToolworldsError):
    """A check or a replay found something that does not hold."""

    exit = Exit.UNVERIFIED


class DomainDefect(ToolworldsError):
    """A domain did what a domain must never do (a constraint failed outside a guard, runaway SQL, a bad result)."""

    exit = Exit.UNVERIFIED


class UserFailure(ToolworldsError):
    """The user simulator erred: it leaked, contradicted itself or stopped early. Never held against the agent."""


class JudgeFailure(ToolworldsError):
    """A judge gave no usable verdict. The criterion stays unscored; only judging is redone."""


class InfraFailure(ToolworldsError):
    """Model server, network, timeout or budget. Retried with bounds; the episode stays undone, never scored."""

    exit = Exit.INCOMPLETE


def classify(error: Exception) -> Status:
    """The status of an episode that an error ended. Anything unknown is re-raised: a bug of ours is not data."""
    if isinstance(error, DomainDefect):
        return "domain_defect"
    if isinstance(error, UserFailure):
        return "user_failure"
    if isinstance(error, JudgeFailure):
        return "judge_failure"
    if isinstance(error, InfraFailure):
        return "infra_failure"
    raise error
