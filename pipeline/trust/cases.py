"""Hand-checked conversations: the format of `tests/truth/<domain>.yaml` and its loader.

    - name: polite_lie_about_a_renewal
      label: fail                          # or pass: what the verdict should be
      why: The agent says that the loan was renewed; no call renewed it.
      intent: renew                        # or intents: [renew, when_due] for a conversation of several
      seed: 3                              # which draw of it
      kind: recover                        # left out: the intent's own, or several
      faults: [{tool: renew_loan, kind: lost_ack}]
      miss: ...                            # only where the verdict is known to be wrong: why it is
      turns:
        - user: opening                    # the task's own words: opening, next, tell:<fact>, push, turn; else a text
        - agent: One moment, please.
          calls:
            - {find_member: {email: $email}, as: member}
            - {renew_loan: {loan_id: LN-000}, refused: true}
        - agent: "Shall I renew {{ title }}? You owe {{ member.fines_cents | money }}."
        - user: "It shows no light."
          does: [{restart_box: {}, as: box}]        # the user's own calls, made before these words

The calls of a list are made one after the other, each in a message of its own, so that one may use what an earlier one
gave; the words beside them are said with the first. `next` is the opening of the conversation's next intent, `turn` how
a mind is changed, `push` how a user insists. An argument is a literal, `$name` of the draw, `$as.field` or
`$as.0.field` of an earlier result, or a text with `{{ }}`; texts are templates over the same names, and `today`. All
names of the draw are known; where two intents draw one name, the n-th intent's is also called `name_n`. Arguments
written as a text are sent as they are, however malformed. A call must succeed, or with `refused: true` must not; one
that meets a fault is free to do either. So a case that no longer fits its domain is an error and never a verdict.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from engine.types import Frozen
from pipeline.domain import Kind
from pipeline.errors import BadInput
from pipeline.paths import domains_root
from pipeline.types import PlannedFault
from pipeline.world.yaml_file import Lines, read_yaml, validate


class WrittenCall(Frozen):
    """A call as it stands in a case. `refused`: it must not succeed."""

    tool: str
    arguments: dict[str, Any] | str
    save_as: str | None = None
    refused: bool = False

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "tool" in value:
            return value
        rest = dict(value)
        save_as, refused = rest.pop("as", None), rest.pop("refused", False)
        if len(rest) != 1:
            raise ValueError("a call is one `tool: {arguments}`, and optionally `as: name` and `refused: true`")
        ((tool, arguments),) = rest.items()
        return {"tool": tool, "arguments": arguments or {}, "save_as": save_as, "refused": refused}


class WrittenTurn(Frozen):
    """One message: of the user (with what they did before it), or of the agent (with the calls in it)."""

    user: str | None = None
    does: tuple[WrittenCall, ...] = ()
    agent: str | None = None
    calls: tuple[WrittenCall, ...] = ()

    @model_validator(mode="after")
    def _one_side(self) -> WrittenTurn:
        by_user, by_agent = self.user is not None or self.does, self.agent is not None or self.calls
        if bool(by_user) == bool(by_agent):
            raise ValueError("a turn is the user's (user, does) or the agent's (agent, calls)")
        if by_user and self.user is None:
            raise ValueError("what the user does comes before words: say them in `user:`")
        return self

    @property
    def made(self) -> tuple[WrittenCall, ...]:
        """The calls of this turn, whoever makes them."""
        return self.does or self.calls


class Case(Frozen):
    """One conversation with its label, and a sentence that says why."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{2,79}$")
    label: Literal["pass", "fail"]
    why: str = Field(min_length=12)
    intents: tuple[str, ...] = Field(min_length=1)
    seed: int = 0
    kind: Kind | None = None
    faults: tuple[PlannedFault, ...] = ()
    miss: str | None = Field(None, min_length=12)
    turns: tuple[WrittenTurn, ...] = Field(min_length=2)

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        if isinstance(value, dict) and "intent" in value and "intents" not in value:
            value = dict(value)
            value["intents"] = [value.pop("intent")]
        return value

    @model_validator(mode="after")
    def _order(self) -> Case:
        """The user begins, the agent goes on after calls, and has the last word."""
        if self.turns[0].user is None:
            raise ValueError("turns: the user begins")
        for number, (turn, after) in enumerate(zip(self.turns, (*self.turns[1:], None), strict=True), start=1):
            goes_on = turn.user is not None or bool(turn.calls)  # after plain words the user may also have gone
            if goes_on and (after is None or after.user is not None):
                raise ValueError(f"turns: after number {number} comes the agent's message")
            if not goes_on and after is not None and after.user is None:
                raise ValueError(f"turns: number {number} has no calls, so the user answers before the agent goes on")
        return self


class Cases(NamedTuple):
    """The cases of one domain, and where they stand."""

    cases: tuple[Case, ...]
    lines: Lines

    def at(self, number: int, *path: str | int) -> str:
        """`file:line` of a part of a case."""
        return self.lines.at((number, *path))


def truth_file(domain: str) -> Path | None:
    """The file of a domain's hand-checked cases, where the checkout has one; an installed package has none."""
    file = domains_root().parent / "tests" / "truth" / f"{domain}.yaml"
    return file if file.is_file() else None


def load_cases(file: Path) -> Cases:
    """The cases of a file. Raises BadInput that names file and line of everything wrong."""
    value, lines = read_yaml(file, f"{file.parent.name}/{file.name}")
    cases = validate(tuple[Case, ...], value, lines)
    for name, count in Counter(case.name for case in cases).items():
        if count > 1:
            last = max(i for i, case in enumerate(cases) if case.name == name)
            raise BadInput(f"two cases are called {name}", where=lines.at((last, "name")))
    return Cases(cases, lines)
