"""An agent that means nothing by what it does, but does plausible things: calls, claims, proposals, reports of values.

Sometimes it follows a right run for a while, leaves it and comes back, so that its episodes end everywhere around what
is right. Whatever it does, no episode may be accepted that an independent look at the whole database calls wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson

from engine.types import Completion, Message, ToolCall
from pipeline.check.examples import filled
from pipeline.check.oracle import Truth
from pipeline.check.plausible import Pool, cells_of, learn, plausible_arguments
from pipeline.config import Limits
from pipeline.domain import Tool
from pipeline.identity import Rng, derive_seed
from pipeline.judging.lexicon import EFFECTS
from pipeline.recipe import Recipe
from pipeline.rollout import ExpertAgent, ScriptedUser, run_episode, system_prompt
from pipeline.rollout.agent import Agent
from pipeline.stages import Worlds, episode_of, judge
from pipeline.tasks.draw import Drawer
from pipeline.types import Mistake, Task, Trajectory
from pipeline.verdicts import Record
from pipeline.world import SqlEnvironment

WALKS = 4  # episodes of one task
SHORT = Limits(turns=24, calls=40, malformed=40)
SAYS = (
    "One moment, please.",
    "Shall I go ahead?",
    "I would do that for you. Is that right?",
    "Could you tell me more about it?",
    "What is your e-mail address?",
    "I'm sorry, I can't do that.",
    "I'm afraid that isn't possible under our policy.",
    "All done!",
    "Is there anything else I can do for you?",
)


class Walk(NamedTuple):
    """An episode with what was made of it. `right`: what the independent comparison says; None where nobody asked."""

    task: Task
    record: Record
    right: bool | None

    @property
    def accepted(self) -> bool:
        return self.record.verdict.passed is True and self.record.drop_reason is None


class RandomWalk:
    """The agent. `path`: the messages of a right run; `faith`: how likely it is to take the next of them."""

    mistakes: tuple[Mistake, ...] = ()

    def __init__(
        self, tools: Sequence[Tool], good: dict[str, list[dict]], pool: Pool, today: str, rng: Rng, path: list[Message]
    ) -> None:
        self._tools, self._good, self._today, self._rng = tools, good, today, rng
        self._pool: Pool = {column: list(cells) for column, cells in pool.items()}
        self._path, self._made = path, 0
        self._faith = rng.choice([0.0, 0.5, 0.8, 0.9, 0.97, 1.0])
        self._left = rng.between(3, 20) if self._faith < 0.5 else 60
        self._values: list[str] = []

    async def act(self, messages: Sequence[Message]) -> Completion:
        self._hear(messages)
        self._left -= 1
        rng = self._rng
        if self._left > 0 and self._path and rng.chance(self._faith):
            return self._completion(self._bent(self._path.pop(0)))
        if self._path and rng.chance(0.3):
            self._path.pop(0)  # a step is left out
        if self._left > 0 and rng.chance(0.6):
            return self._completion(Message(role="assistant", content=None, tool_calls=(self._call(),)))
        return self._completion(Message(role="assistant", content=self._words()))

    def _hear(self, messages: Sequence[Message]) -> None:
        last = messages[-1]
        if last.role == "tool" and not (last.content or "").startswith('{"error"'):
            learn(self._pool, last.content or "null")
            self._values += [str(v) for row in _objects(last.content or "null") for v in row.values() if v is not None]
        elif last.role == "user":
            self._values += [word.strip(".,!?\"'") for word in (last.content or "").split() if not word.isalpha()]

    def _bent(self, message: Message) -> Message:
        """A message of the right run, now and then with another argument or other words."""
        rng = self._rng
        if message.tool_calls and rng.chance(0.08):
            call = message.tool_calls[0]
            tool = next(tool for tool in self._tools if tool.name == call.name)
            arguments = orjson.loads(call.arguments)
            drawn = plausible_arguments(tool, rng, self._pool, self._today, [])
            if arguments and (name := rng.choice(sorted(arguments))) in drawn:
                arguments[name] = drawn[name]
            bent = call.model_copy(update={"arguments": orjson.dumps(arguments).decode()})
            return message.model_copy(update={"tool_calls": (bent, *message.tool_calls[1:])})
        if message.content and not message.tool_calls and rng.chance(0.08):
            return message.model_copy(update={"content": self._words()})
        return message

    def _call(self) -> ToolCall:
        tool = self._rng.choice([tool for tool in self._tools if tool.actor == "agent"])
        arguments = plausible_arguments(tool, self._rng, self._pool, self._today, self._good[tool.name])
        return ToolCall(id="", name=tool.name, arguments=orjson.dumps(arguments).decode())

    def _words(self) -> str:
        rng = self._rng
        seen = rng.choice(self._values) if self._values else "that"
        verb = rng.choice(sorted(EFFECTS))
        return rng.choice(
            [
                *SAYS,
                f"I've {verb} it for you: {seen}.",
                f"It has been {verb}. Your reference is {seen}.",
                f"I found {seen} and {rng.choice(self._values) if self._values else 'nothing else'}.",
                f"I would have it {verb}, {seen}. Shall I go ahead?",
            ]
        )

    def _completion(self, message: Message) -> Completion:
        calls = []
        for call in message.tool_calls:
            calls.append(call.model_copy(update={"id": f"functions.{call.name}:{self._made}"}))
            self._made += 1
        return Completion(message=message.model_copy(update={"tool_calls": tuple(calls)}))


def walks(recipe: Recipe, count: int, *, ask_all: bool = False) -> Iterator[Walk]:
    """So many episodes over the recipe's domains. `ask_all`: the independent comparison looks at rejected ones too."""
    worlds, index, made = Worlds(recipe), 0, 0
    while made < count:
        domain, position = recipe.place(index)
        index += 1
        maker = recipe.makers[domain]
        drawer = worlds.drawer(domain, maker.world_seed(position))
        task = maker.make(drawer, position, index)
        if not isinstance(task, Task):
            continue
        ground = _Ground(recipe, task, drawer)
        truth = Truth(task, drawer.world)
        for number in range(min(WALKS, count - made)):
            made += 1
            trajectory = ground.walk(number)
            walk = Walk(task, judge(recipe, task, trajectory, drawer.world), None)
            if walk.accepted or ask_all:
                walk = walk._replace(right=truth.state_is_right(trajectory) and truth.was_told(trajectory))
            yield walk


class _Ground:
    """A task ready to be walked over: a right run of it, and arguments that are likely to succeed."""

    def __init__(self, recipe: Recipe, task: Task, drawer: Drawer) -> None:
        self._recipe, self._task, self._world = recipe, task, drawer.world
        self._tools = drawer.world.compiled.domain.tools
        self._pool = cells_of(drawer.start, drawer.world.compiled.shapes)
        self._good = {tool.name: _good(tool, drawer) for tool in self._tools}
        goals = [goal.for_expert() for goal in task.goals]
        rng = Rng(derive_seed(task.seed, "careful"))
        careful = ExpertAgent(goals, self._world.compiled, self._world.today, task.language, rng, None, recipe.phrases)
        run = self._play(careful, 0, recipe.config.limits)
        self._path = [message for message in run.messages if message.role == "assistant"]

    def walk(self, number: int) -> Trajectory:
        rng = Rng(derive_seed(self._task.seed, "walk", number))
        agent = RandomWalk(self._tools, self._good, self._pool, self._world.today, rng, list(self._path))
        return self._play(agent, number, SHORT)

    def _play(self, agent: Agent, number: int, limits: Limits) -> Trajectory:
        task, world = self._task, self._world
        episode = episode_of(self._recipe.config, task, number)
        user = ScriptedUser(task, Rng(derive_seed(task.seed, "user")), world.today, self._tools)
        prompt = system_prompt(world.compiled.domain, world.today, self._recipe.prompt)
        environment = SqlEnvironment(world)
        try:
            return asyncio.run(run_episode(episode, world, environment, agent, user, limits=limits, prompt=prompt))
        finally:
            environment.close()


def _good(tool: Tool, drawer: Drawer) -> list[dict]:
    return [
        {name: filled(tool, name, value, row) for name, value in example.arguments.items()}
        for example in tool.examples
        if example.expect == "ok"
        for row in (drawer.start.rows(example.draw, {}, 3) if example.draw else [{}])
    ]


def _objects(text: str) -> list[dict]:
    value = orjson.loads(text)
    return [row for row in (value if isinstance(value, list) else [value]) if isinstance(row, dict)]
