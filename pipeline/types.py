"""The nouns of a run, from a task to a dataset row: frozen, and strict about keys.

`Domain` and its parts are in `pipeline.domain`. Nothing here executes; every value can be written as JSON.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.types import Frozen, Message
from pipeline.domain import Asked, CompareMode, Disclosure, Kind, Says
from pipeline.errors import Status

Cell = str | int | None
FaultKind = Literal["timeout", "rate_limit", "transient", "lost_ack", "truncated"]
StopReason = Literal[
    "user_done", "agent_done", "transferred", "turn_limit", "call_limit", "token_limit", "malformed_limit"
]
Mistake = Literal[
    "skipped_lookup",
    "wrong_argument",
    "wrong_entity",
    "missing_write",
    "extra_write",
    "premature_done",
    "policy_violation",
    "invented_id",
    "malformed_call",
    "repeated_call",
    "ignored_fault",
    "wrong_answer",
]


# ---------------------------------------------------------------- change of state


class RowInsert(Frozen):
    """A row that exists at the end and did not at the start. `key`: its primary key's cells, in the key's order."""

    table: str
    key: tuple[Cell, ...]
    row: dict[str, Cell]


class CellUpdate(Frozen):
    """A cell of a row that exists at both ends and differs."""

    table: str
    key: tuple[Cell, ...]
    column: str
    before: Cell
    after: Cell


class RowDelete(Frozen):
    """A row that existed at the start and does not at the end; `row` is what it was."""

    table: str
    key: tuple[Cell, ...]
    row: dict[str, Cell]


class Change(Frozen):
    """Net change, end against start, by primary key over captured rows; each part sorted by table, key, column."""

    inserts: tuple[RowInsert, ...] = ()
    updates: tuple[CellUpdate, ...] = ()
    deletes: tuple[RowDelete, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.inserts or self.updates or self.deletes)


class TableShape(Frozen):
    """What a verdict must know of a table; derived from the schema by `pipeline.world`.

    `generated`: the primary key is an id from `new_id`, so its value says nothing.
    `references`: column → referenced table, for single-column foreign keys.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    generated: bool
    references: dict[str, str]
    compare: dict[str, CompareMode]  # columns that are not `exact`


# ---------------------------------------------------------------- tasks


class Persona(Frozen):
    """How a user speaks; what they want comes from the task. All texts are whole sentences, ready to be said."""

    name: str
    description: str  # for a model user: who this is and how they write
    dates: Literal["iso", "day_month", "month_day", "weekday"]  # how they write a date
    greetings: tuple[str, ...]  # before the first request; "" for none
    asides: tuple[str, ...]  # small talk that may follow the first request; "" for none
    confirms: tuple[str, ...]  # a clear yes to a proposal
    unknowns: tuple[str, ...]  # "I don't know" / "no preference", when asked for what they were not told
    insists: tuple[str, ...]  # pressing once when refused, where the intent has no `pushes`


class Source(Frozen):
    """Where an argument's value comes from, so that an expert can take it from what it was told or saw.

    const: `value`. told: the fact `name`. seen: result `name`, then `path`; where the result is a list, `where` picks
    the row whose cells equal (column → another Source), and `pick` says which of those: the only one, or the first.
    text: template `value` over told facts and seen results.
    """

    by: Literal["const", "told", "seen", "text"]
    name: str = ""
    path: tuple[str | int, ...] = ()
    where: dict[str, Source] = {}
    pick: Literal["only", "first"] = "only"
    value: Any = None


class Proof(Frozen):
    """A look-up that shows whether a write took effect, for when its acknowledgement is lost.

    The write took effect iff a row of the look-up's result (an object counts as its one row) holds `row`'s cells.
    `fields`: field of the write's own result → column of that row where the same value is seen. `whole`: they are
    all that the rest of the plan and what is said of it need of that result.
    """

    tool: str
    arguments: dict[str, Source]
    row: dict[str, Source]
    fields: dict[str, str] = {}
    whole: bool = False


class PlanStep(Frozen):
    """A call of a right plan, with where each argument comes from. `key` names its result within the plan.

    `actor` user: it is the user who makes the call, asked by the agent, and tells what came of it.
    `proof`: how an agent finds out whether a write without acknowledgement took effect; None where nothing shows it.
    `free`: arguments for which several values are right.
    """

    key: str
    tool: str
    arguments: dict[str, Source]
    writes: bool
    confirm: bool
    actor: Literal["agent", "user"] = "agent"
    lists: bool = False  # its result was a list of two or more: a page of it can be cut short
    proof: Proof | None = None
    free: tuple[str, ...] = ()


class Plan(Frozen):
    """One right way to a goal. `finds`: where values are seen that are reported but are no call's argument."""

    name: str  # "gold", "or1", "reordered"
    steps: tuple[PlanStep, ...]
    finds: dict[str, Source] = {}


class Reversal(Frozen):
    """A change of mind: `first` is what the opening says of some facts, `says` how it is taken back.

    It is said when the user is first asked for their word; `templates` are all ways to say it.
    """

    first: dict[str, Cell]
    says: str
    templates: tuple[str, ...]


class Goal(Frozen):
    """One intent as one task has it: what the user wants, knows and says, and the plans that are right.

    `values` are the draw: the verifier's side of the task. An expert is given a Goal without them (`for_expert`).
    """

    intent: str
    kind: Kind
    values: dict[str, Cell]
    facts: dict[str, Disclosure]
    opening: str  # as the user says it
    templates: tuple[str, ...]  # every phrasing it may have been said by: how an expert reads it
    tells: dict[str, str] = {}  # fact → the user's words when asked
    asked: dict[str, Asked] = {}
    push: str | None = None
    reversal: Reversal | None = None  # the user will change their mind
    says: Says = Says()
    rule: str | None = None
    plans: tuple[Plan, ...] = Field(min_length=1)
    forbidden: Plan | None = None  # refuse: the calls that would do what is asked; refused ones among them
    answers: tuple[str, ...] = ()  # labels of what must be told, for an expert that tells it wrong on purpose
    success: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()

    def for_expert(self) -> Goal:
        """The structure of the goal without the draw and without the user's side of the story."""
        mind = self.reversal and self.reversal.model_copy(update={"says": "", "first": {}})
        return self.model_copy(update={"values": {}, "opening": "", "tells": {}, "push": None, "reversal": mind})


class Answer(Frozen):
    """A value that must be communicated. `money`: it is in minor units, communicated in major ones.

    `new_in`: the value is the id of a row that the plan inserts into this table, so it differs from run to run.
    `tool`: the call that produced it, if one did; the answer counts only after such a call.
    """

    label: str
    value: Cell
    money: bool = False
    new_in: str | None = None
    tool: str | None = None


class Expected(Frozen):
    """One right outcome: the net change of one plan, with what must be told and what must hold.

    `mentions`: (table, key of an inserted row, column, values that its text must hold).
    `bindings`: parameters for each check, by goal.
    """

    plan: str  # which plan of each goal, for messages: "gold", "gold+or1", "gold berth_id=B07"
    change: Change
    answers: tuple[Answer, ...] = ()
    mentions: tuple[tuple[str, tuple[Cell, ...], str, tuple[Answer, ...]], ...] = ()
    checks: tuple[tuple[str, dict[str, Cell]], ...] = ()  # (SQL, bindings)


class Task(Frozen):
    """A task over one world. `index` is its position in the run's work list; everything else follows from it."""

    task_id: str
    index: int
    domain: str
    domain_version: str
    kind: Kind
    difficulty: int  # 1 (a look-up) to 5
    language: str
    persona: Persona
    world_seed: int
    seed: int
    goals: tuple[Goal, ...] = Field(min_length=1)
    expected: tuple[Expected, ...] = Field(min_length=1)
    allow: tuple[str, ...] = ()  # tables or table.column that may change besides


class DroppedTask(Frozen):
    """A position of the work list from which no task came, and why."""

    index: int
    domain: str
    reason: str
    detail: str


# ---------------------------------------------------------------- episodes and trajectories


class PlannedFault(Frozen):
    """A fault that is to strike the first call of a tool that can show it."""

    tool: str
    kind: FaultKind


class Episode(Frozen):
    """One attempt at a task; `episode_id` and `seed` follow from task and attempt. `faults` are to strike."""

    episode_id: str
    task: Task
    attempt: int
    seed: int
    agent_spec: str
    mistake_rate: float = 0.0
    faults: tuple[PlannedFault, ...] = ()


class Call(Frozen):
    """One executed (or refused) tool call. Exactly one of `result` and `error` is set, both as text.

    `turn`: how many assistant messages there were, this one included (the agent), or had been (the user).
    `arguments`: JSON text as the caller wrote it. `result`: JSON text.
    `state_hash`: hash of the change since the start.
    """

    index: int
    turn: int
    actor: Literal["agent", "user"]
    call_id: str
    name: str
    arguments: str
    ok: bool
    result: str | None
    error: str | None
    fault: FaultKind | None = None
    tier: Literal["sql", "workspace", "mcp", "model"] = "sql"
    wrote: bool = False
    state_hash: str = ""


class Trajectory(Frozen):
    """What happened in one episode, whole: enough to judge it and to replay it."""

    episode_id: str
    task_id: str
    attempt: int
    seed: int
    agent: str
    user: str
    agent_spec: str
    status: Status
    stop_reason: StopReason | None
    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]  # OpenAI wire form, as the agent saw them
    calls: tuple[Call, ...]
    change: Change
    state_before: str
    state_after: str
    mistakes: tuple[Mistake, ...] = ()
    n_turns: int = 0
    n_faults: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failure: str | None = None  # evidence of a status other than ok
