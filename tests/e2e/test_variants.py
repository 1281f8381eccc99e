"""Laws of the whole verdict: whatever harmless way a right run takes, it passes.

An episode is written here call by call and judged as any other: the gold calls of a toy task, with independent writes
in another order, look-ups between them, refused calls that are mended, under other ids and clocks. Words are an
expert's own, from its careful run of the same task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.types import Message, ToolCall
from pipeline.config import RunConfig
from pipeline.recipe import Recipe, gather_inputs
from pipeline.stages import Worlds, episode_of, judge, make_task, play
from pipeline.types import Call, Task, Trajectory
from pipeline.verdicts import Record
from pipeline.world import SqlEnvironment, World
from pipeline.world.change import state_after
from tests.e2e.commands import TOY

TASKS = 48


class Made(NamedTuple):
    """A task, its world, and a careful expert's run of it."""

    task: Task
    world: World
    careful: Trajectory


@cache
def recipe() -> Recipe:
    return Recipe(*gather_inputs(RunConfig(domains=(str(TOY),), agent="expert")))


@cache
def tasks() -> tuple[Made, ...]:
    worlds = Worlds(recipe())
    made = []
    for index in range(TASKS):
        task, world = make_task(recipe(), worlds, index)
        if isinstance(task, Task) and world is not None:
            episode = episode_of(recipe().config, task, 0)
            made.append(Made(task, world, asyncio.run(play(recipe(), episode, world))))
    return tuple(made)


class Step(NamedTuple):
    """One call to be made. Ids of new rows stand in it as the careful run had them."""

    name: str
    arguments: dict[str, Any]


def run_again(made: Made, steps: Sequence[Step], shift: int) -> Record:
    """The careful run's words around these calls, executed anew under other ids; judged."""
    environment = SqlEnvironment(made.world, shift=shift)
    renamed: dict[str, str] = {}  # text of the careful run → what this run says instead
    remembered = {(c.name, c.arguments): c.result for c in made.careful.calls if c.ok and c.result is not None}
    calls: list[Call] = []
    try:
        for index, step in enumerate(steps):
            arguments = _renamed(orjson.dumps(step.arguments).decode(), renamed)
            outcome = environment.call(step.name, orjson.loads(arguments))
            calls.append(
                Call(
                    index=index,
                    turn=0,
                    actor="agent",
                    call_id=f"functions.{step.name}:{index}",
                    name=step.name,
                    arguments=arguments,
                    ok=outcome.ok,
                    result=outcome.result,
                    error=outcome.error,
                    wrote=outcome.wrote,
                    state_hash=outcome.state_hash,
                )
            )
            was = remembered.get((step.name, orjson.dumps(step.arguments).decode()))
            if was is not None and outcome.result is not None:
                renamed |= _pairs(orjson.loads(was), orjson.loads(outcome.result))
        change, after = environment.change(), environment.state_hash()
    finally:
        environment.close()
    messages, placed = _conversation(made.careful, calls, renamed)
    trajectory = made.careful.model_copy(
        update={
            "messages": messages,
            "calls": placed,
            "change": change,
            "state_after": state_after(made.world.state, after),
            "n_turns": sum(message.role == "assistant" for message in messages),
        }
    )
    return judge(recipe(), made.task, trajectory, made.world)


def _pairs(before: Any, now: Any) -> dict[str, str]:
    """Texts that differ between two results of the same shape."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {k: v for name in before for k, v in _pairs(before[name], now.get(name)).items()}
    if isinstance(before, str) and isinstance(now, str) and before != now:
        return {before: now}
    return {}


def _renamed(text: str, renamed: dict[str, str]) -> str:
    for before, now in renamed.items():
        text = text.replace(before, now)
    return text


def _conversation(
    careful: Trajectory, calls: Sequence[Call], renamed: dict[str, str]
) -> tuple[tuple[Message, ...], tuple[Call, ...]]:
    """The careful run's conversation with these calls, one a message, between its last proposal and its report."""
    spoken = [
        m for m in careful.messages if m.role in ("system", "user") or (m.role == "assistant" and not m.tool_calls)
    ]
    # the calls go before the first message that followed the careful run's last call
    last = max(at for at, message in enumerate(careful.messages) if message.role == "tool")
    after = [m for m in careful.messages[last + 1 :] if m in spoken]
    before = spoken[: len(spoken) - len(after)]
    turn = sum(m.role == "assistant" for m in before)
    messages, placed = list(before), []
    for call in calls:
        turn += 1
        made = ToolCall(id=call.call_id, name=call.name, arguments=call.arguments)
        messages.append(Message(role="assistant", content=None, tool_calls=(made,)))
        shown = call.result if call.error is None else orjson.dumps({"error": call.error}).decode()
        messages.append(Message(role="tool", content=shown, tool_call_id=call.call_id))
        placed.append(call.model_copy(update={"turn": turn}))
    if any(m.role == "assistant" and m.content for m in careful.messages[_first(careful) : last]):
        # several requests: what was reported of the first ones is said again at the end, now that all is done
        words = [m.content or "" for m in careful.messages[_first(careful) :] if m.role == "assistant"]
        after = [Message(role="assistant", content=" ".join(filter(None, words)))]
    messages += [m.model_copy(update={"content": _renamed(m.content or "", renamed)}) for m in after]
    return tuple(messages), tuple(placed)


def _first(careful: Trajectory) -> int:
    return next(at for at, message in enumerate(careful.messages) if message.role == "tool")


# ---------------------------------------------------------------- variants


def gold(made: Made) -> list[Step]:
    return [Step(call.name, orjson.loads(call.arguments)) for call in made.careful.calls]


def writes(made: Made, step: Step) -> bool:
    return bool(made.world.compiled.tools[step.name].writes)


def may_swap(made: Made, first: Step, second: Step) -> bool:
    """Whether the order of two neighbours says nothing: no value goes from one to the other, by result or table."""
    tools = made.world.compiled.tools
    a, b = tools[first.name], tools[second.name]
    produced = next(
        (
            c.result or ""
            for c in made.careful.calls
            if c.name == first.name and orjson.loads(c.arguments) == first.arguments
        ),
        "",
    )
    words = {str(value) for value in second.arguments.values()}
    if any(word in produced for word in words):
        return False
    return not (a.writes & (b.reads | b.writes) or b.writes & a.reads)


@st.composite
def variants(draw: st.DrawFn, made: Made, *, tidy: bool = False) -> list[Step]:
    """The gold calls with neighbours swapped where that says nothing, look-ups put between, refusals before writes.

    tidy: only what a careful agent would do: no invented ids, and nothing looked up that it has not heard of.
    """
    steps = gold(made)
    for at in draw(st.lists(st.integers(0, max(0, len(steps) - 2)), max_size=6)):
        if len(steps) > 1 and may_swap(made, steps[at], steps[at + 1]):
            steps[at], steps[at + 1] = steps[at + 1], steps[at]
    out: list[Step] = []
    reads = [step for step in steps if not writes(made, step)]
    known: list[Step] = []
    extra = draw(st.integers(0, 2))
    for step in steps:
        if not tidy and writes(made, step) and draw(st.booleans()):
            out.append(refused(made, step))
        if step not in reads and extra and known and draw(st.booleans()):
            extra -= 1
            more = Step("search_books", {"words": draw(st.sampled_from(["Okafor", "Salt", "Sato", "Brandt"]))})
            if tidy:
                more = Step("list_loans", {"member_id": member_of(made)})
            if more not in steps and more not in out:
                out.append(more)
        out.append(step)
        known.append(step)
    return out


def member_of(made: Made) -> str:
    found = next(call for call in made.careful.calls if call.name == "find_member")
    member_id: str = orjson.loads(found.result or "")["member_id"]
    return member_id


def refused(made: Made, step: Step) -> Step:
    """The same call with one id that does not exist: it is refused, and corrected next."""
    ids = [name for name, value in step.arguments.items() if name.endswith("_id") and isinstance(value, str)]
    name = ids[-1]
    return step._replace(arguments={**step.arguments, name: step.arguments[name].split("-")[0] + "-999"})


def with_calls() -> Iterator[Made]:
    """Tasks in which only the agent calls and no fault strikes: whose calls may be moved about."""
    for made in tasks():
        calls = made.careful.calls
        if calls and all(call.actor == "agent" and call.fault is None for call in calls):
            yield made


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data(), st.integers(0, 40))
def test_every_harmless_variant_of_a_right_run_passes_its_state_verdict(data: st.DataObject, shift: int) -> None:
    made = data.draw(st.sampled_from(list(with_calls())))
    steps = data.draw(variants(made))
    record = run_again(made, steps, shift)
    state = record.verdict.state
    assert state is not None and state.passed, ([str(d) for d in state.differences] if state else None, steps)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), st.integers(0, 40))
def test_every_tidy_variant_of_a_right_run_passes_altogether(data: st.DataObject, shift: int) -> None:
    made = data.draw(st.sampled_from([m for m in with_calls() if len(m.task.goals) == 1]))
    record = run_again(made, data.draw(variants(made, tidy=True)), shift)
    failed = [(s.name, s.reason) for s in record.verdict.scores if s.gates and s.passed is False]
    assert record.verdict.passed, (failed, record.verdict.state)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data(), st.integers(0, 40))
def test_a_right_run_without_one_of_its_writes_fails(data: st.DataObject, shift: int) -> None:
    """The laws above can fail: the same machinery finds what is missing."""
    writing = [made for made in with_calls() if any(writes(made, step) for step in gold(made))]
    made = data.draw(st.sampled_from(writing))
    steps = gold(made)
    lost = data.draw(st.sampled_from([at for at, step in enumerate(steps) if writes(made, step)]))
    record = run_again(made, steps[:lost] + steps[lost + 1 :], shift)
    assert record.verdict.passed is False and record.verdict.state is not None
    kinds = {difference.kind for difference in record.verdict.state.differences}
    assert kinds & {"missing", "cell"}, kinds


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_a_right_run_with_a_write_more_fails(data: st.DataObject) -> None:
    made = data.draw(st.sampled_from(list(with_calls())))
    more = Step("send_note", {"member_id": member_of(made), "body": "By the way, we open at nine."})
    at = data.draw(st.integers(1, len(gold(made))))
    record = run_again(made, [*gold(made)[:at], more, *gold(made)[at:]], 0)
    assert record.verdict.passed is False and record.verdict.state is not None
    assert {difference.kind for difference in record.verdict.state.differences} & {"extra", "wrote"}
