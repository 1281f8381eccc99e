"""The grammar of a domain: what its files say, as frozen values.

A domain is a folder of data (`domain.yaml schema.sql tools.yaml population.yaml intents.yaml policy.md`). This module
holds the nouns; `pipeline.world.load` reads the files into them, with errors that name file and line. Nothing here
knows SQL or executes anything.
"""

from __future__ import annotations

from datetime import date, time
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from engine.types import Frozen

CompareMode = Literal["exact", "fold", "clock", "text", "derived"]
Disclosure = Literal["opening", "asked", "never"]
Kind = Literal[
    "fulfil", "several", "clarify", "refuse", "irrelevant", "recover", "change_of_mind", "question", "dual_control"
]
INTENT_KINDS = ("fulfil", "clarify", "refuse", "irrelevant", "question", "dual_control")
"""What an intent may be; the other kinds are made of these: several requests, a fault, a change of mind."""
ByLanguage = dict[str, tuple[str, ...]]
"""Templates by language code; the engine picks one of them by seed."""


# ---------------------------------------------------------------- tools.yaml


class Guard(Frozen):
    """A condition of a call: it holds iff the first cell of `sql` is neither NULL nor 0. `otherwise`: the error."""

    sql: str
    otherwise: str


class Returns(Frozen):
    """What a call returns: the one row of `sql` as an object, or with `many` the list of its rows."""

    sql: str
    many: bool = False


class Example(Frozen):
    """A call drawn from the populated state and what must come of it: `ok` or the text of a refusal.

    `then`: SQL that must hold after a call that is `ok`, bound to what was drawn and to the call's arguments.
    """

    arguments: dict[str, Any]
    expect: str
    draw: str | None = None
    then: str | None = None

    @model_validator(mode="after")
    def _then(self) -> Example:
        if self.then is not None and self.expect != "ok":
            raise ValueError("`then:` says what holds after a call that is ok; a refused call changes nothing")
        return self


class Asked(Frozen):
    """How something is asked for and told: a fact of the user, or what a tool of the user's own shows.

    `about`: words by which the scripted user knows that this is meant; `ask`: how the expert asks;
    `tell`: how the user answers (the fact as `{{ name }}`, with a reading filter where it is a date, time or amount;
    for a tool, fields of its result).
    """

    about: tuple[str, ...] = Field(min_length=1)
    ask: ByLanguage
    tell: ByLanguage


class Tool(Frozen):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,63}$")
    description: str = Field(min_length=8)
    actor: Literal["agent", "user"] = "agent"
    confirm: bool = False  # consequential: the policy wants the user's word first
    parameters: dict[str, dict[str, Any]] = {}
    requires: tuple[Guard, ...] = ()
    effects: tuple[str, ...] = ()
    returns: Returns
    examples: tuple[Example, ...] = ()
    asked: Asked | None = None  # actor: user: how the agent asks for it, and how the user tells what came of it

    @model_validator(mode="after")
    def _hands(self) -> Tool:
        if (self.actor == "user") != (self.asked is not None):
            raise ValueError("a tool with `actor: user` says in `asked:` how the agent asks for it; other tools do not")
        return self

    @field_validator("returns", mode="before")
    @classmethod
    def _returns(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"sql": value}
        if isinstance(value, dict) and set(value) == {"many"}:
            return {"sql": value["many"], "many": True}
        return value

    @property
    def required(self) -> list[str]:
        return [name for name, spec in self.parameters.items() if not spec.get("optional")]

    @property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments object: every parameter is required unless `optional: true`."""
        properties = {n: {k: v for k, v in s.items() if k != "optional"} for n, s in self.parameters.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": self.required,
            "additionalProperties": False,
        }


# ---------------------------------------------------------------- population.yaml


class Clock(Frozen):
    """Where a world's `:today` is drawn (first and last day, ISO) and the time of day at which its clock starts."""

    days: tuple[str, str]
    time: str = "09:00:00"

    @field_validator("days", mode="before")
    @classmethod
    def _days(cls, value: Any) -> Any:
        return tuple(str(day) for day in value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _dates(self) -> Clock:
        first, last = (date.fromisoformat(day) for day in self.days)  # ValueError: says what is wrong
        if last < first:
            raise ValueError(f"the last day {last} is before the first")
        if len(self.time) != 8 or time.fromisoformat(self.time).isoformat() != self.time:
            raise ValueError(f"{self.time!r} is not a time of day (HH:MM:SS)")
        return self


class TableRows(Frozen):
    """How one table is filled: exactly one of `rows`, `per`, `each` says how many; `columns` says with what.

    A column is a mapping with one generator (`id const choose int date pick parent ref person email phone text sql`)
    and that generator's options beside it; `also` are draws that later columns use and no column keeps.
    """

    rows: tuple[int, int] | None = None
    per: dict[str, dict[int, int]] | None = None
    each: dict[str, Any] | None = None
    columns: dict[str, dict[str, Any]]
    also: dict[str, dict[str, Any]] = {}
    when_refused: Literal["redraw"] | None = None

    @model_validator(mode="after")
    def _one_count(self) -> TableRows:
        if sum(part is not None for part in (self.rows, self.per, self.each)) != 1:
            raise ValueError("a table takes exactly one of rows, per, each")
        return self


class Population(Frozen):
    clock: Clock
    vocabulary: dict[str, tuple[Any, ...]] = {}
    tables: dict[str, TableRows]
    after: tuple[str, ...] = ()


# ---------------------------------------------------------------- intents.yaml


class Draw(Frozen):
    """One random row of `sql` (or its first row: a choice); the columns become `$names`.

    A choice says why it is one: `unique` names a column in which the second row must differ (ties are redrawn);
    `accept` is SQL for all right values of the draw's first column.
    """

    sql: str
    first: bool = False
    unique: str | None = None
    accept: str | None = None
    given: dict[str, dict[str, Any]] = {}  # `with:` helper draws by population generators, bound in `sql`

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"sql": value}
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("first"), str):
                value["sql"], value["first"] = value["first"], True
            if "with" in value:
                value["given"] = value.pop("with")
        return value

    @model_validator(mode="after")
    def _choice(self) -> Draw:
        if self.first and not (self.unique or self.accept):
            raise ValueError("a choice (first:) declares unique: or accept:, so that ties are not guessed")
        return self


class Step(Frozen):
    """One gold call. An argument is a literal, `$name`, `$as.field`, or text with `{{ … }}` in it."""

    tool: str
    arguments: dict[str, Any]
    save_as: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        if isinstance(value, dict) and "tool" not in value:
            rest = dict(value)
            save_as = rest.pop("as", None)
            if len(rest) != 1:
                raise ValueError("a gold call is one `tool: {arguments}` and optionally `as: name`")
            ((tool, arguments),) = rest.items()
            return {"tool": tool, "arguments": arguments or {}, "save_as": save_as}
        return value


class Says(Frozen):
    """The expert's wording, templates over what it was told (`{{ fact }}`) and saw (`{{ as.field }}`)."""

    propose: tuple[str, ...] = ()  # what it is about to do, asking for the user's word
    report: tuple[str, ...] = ()  # what it did or found, with every required answer
    decline: tuple[str, ...] = ()  # why it will not (refuse intents)


class ChangeOfMind(Frozen):
    """What the user says first and takes back when asked for their word. The intent's own values are the final ones.

    `first`: fact told in the opening → the drawn value that the opening says instead; `draw`: further draws for it;
    `says`: how the user changes their mind, told with the final values of these facts.
    """

    first: dict[str, str] = Field(min_length=1)
    draw: dict[str, Draw] = {}
    says: ByLanguage


class IntentCriteria(Frozen):
    success: tuple[str, ...] = ()  # for a model judge
    patterns: tuple[str, ...] = ()  # SQL over call_log: expected tool use
    checkpoints: tuple[str, ...] = ()  # SQL over call_log: stations on the way


class Intent(Frozen):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,63}$")
    kind: Kind
    draw: dict[str, Draw]
    facts: dict[str, Disclosure]
    gold: tuple[Step, ...]
    alternatives: tuple[tuple[Step, ...], ...] = Field(default=(), alias="or")
    rule: str | None = None  # refuse: the policy's rule that forbids it
    forbidden: tuple[Step, ...] = ()  # refuse: the calls that would do what the user asks for
    change_of_mind: ChangeOfMind | None = None  # fulfil, clarify: the task of that kind which can be made of it
    answers: tuple[str, ...] = ()
    mentions: dict[str, tuple[str, ...]] = {}
    allow: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    criteria: IntentCriteria = IntentCriteria()
    phrasings: ByLanguage
    followups: ByLanguage = {}  # phrasings when it is not the first thing asked; `phrasings` serve otherwise
    pushes: ByLanguage = {}  # refuse: how the user insists, once
    asked: dict[str, Asked] = {}
    says: dict[str, Says] = {}

    @model_validator(mode="after")
    def _complete(self) -> Intent:
        if self.kind not in INTENT_KINDS:
            raise ValueError(f"an intent's kind is one of {', '.join(INTENT_KINDS)}")
        for name, disclosure in self.facts.items():
            if disclosure == "asked" and name not in self.asked:
                raise ValueError(f"fact {name!r} is told when asked, but `asked:` does not say how")
        if self.kind == "refuse" and self.rule is None:
            raise ValueError("a refuse intent names the `rule:` that forbids it")
        if self.forbidden and self.kind != "refuse":
            raise ValueError("`forbidden:` are the calls that a refuse intent asks for")
        if self.change_of_mind is not None:
            if self.kind not in ("fulfil", "clarify"):
                raise ValueError("a mind is changed about something to be done: fulfil or clarify")
            for name in self.change_of_mind.first:
                if self.facts.get(name) != "opening":
                    raise ValueError(f"change_of_mind: {name!r} is not told in the opening, so it cannot be taken back")
        if self.kind == "clarify" and "asked" not in self.facts.values():
            raise ValueError("a clarify intent has a fact that must be asked for")
        return self

    @property
    def plans(self) -> tuple[tuple[Step, ...], ...]:
        """The gold and every other right plan."""
        return (self.gold, *self.alternatives)


# ---------------------------------------------------------------- domain.yaml and the whole


class Rule(Frozen):
    """A numbered rule of the policy: the tools enforce it, or (`by: agent`) only `violated` can tell that it broke."""

    by: Literal["tool", "agent"]
    text: str
    violated: str | None = None

    @model_validator(mode="after")
    def _sql(self) -> Rule:
        if (self.by == "agent") != (self.violated is not None):
            raise ValueError("a rule `by: agent` has `violated:` SQL, a rule `by: tool` has none")
        return self


class Invariant(Frozen):
    """Must return no row, ever."""

    name: str
    sql: str


class Domain(Frozen):
    """A whole domain, as its files say it; `version` is the hash of the files' content."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,63}$")
    category: str
    title: str
    summary: str
    lineage: dict[str, Any] = {}
    person: str | None = None  # the drawn name that says who speaks; intents joined in a conversation agree on it
    currency: str = "$"  # how amounts are shown in conversation; columns hold minor units
    ids: dict[str, str] = {}
    compare: dict[str, CompareMode] = {}
    invariants: tuple[Invariant, ...] = ()
    rules: dict[str, Rule] = {}
    tools: tuple[Tool, ...]
    population: Population
    intents: tuple[Intent, ...]
    schema_sql: str
    policy: str
    version: str

    def tool(self, name: str) -> Tool:
        """The tool of this name; KeyError when there is none."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        raise KeyError(name)

    def intent(self, name: str) -> Intent:
        for intent in self.intents:
            if intent.name == name:
                return intent
        raise KeyError(name)
