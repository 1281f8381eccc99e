"""Who plays in the episodes of a run: from what the config says to agents, users and a judge.

The embedded ones need nothing. Models are reached over HTTP: one client for each endpoint serves all conversations of a
process, and what it answered is kept beside the run, so that a command that takes it up repeats no call.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from engine.cache import CachedClient
from engine.client import ModelClient, OpenAIClient
from engine.types import Answered
from pipeline.config import RunConfig
from pipeline.judging.judge import ModelJudge
from pipeline.players import Player, parse_player
from pipeline.recipe import Recipe
from pipeline.rollout.agent import Agent
from pipeline.rollout.model_agent import ModelAgent
from pipeline.rollout.model_user import ModelUser
from pipeline.rollout.user import User
from pipeline.stages import EmbeddedCast
from pipeline.types import Episode
from pipeline.world import SqlEnvironment, World

KEYS = ("TOOLWORLDS_API_KEY", "OPENAI_API_KEY")  # environment variables that may hold an endpoint's key


class ModelCast(EmbeddedCast):
    """Models where the config names them, the embedded ones elsewhere."""

    in_flight = 256

    def __init__(self, recipe: Recipe, clients: dict[str, ModelClient]) -> None:
        """`clients`: by base URL."""
        super().__init__(recipe)
        config = recipe.config
        self._clients, self._kept = clients, dict[str, CachedClient]()
        self._agent, self._user = parse_player(config.agent, "--model"), parse_player(config.user, "--user")
        self._judge = parse_player(config.judge, "--judge")

        self.user_is_model = self._user.model

    @contextmanager
    def keeping(self, file: Path) -> Iterator[ModelCast]:
        """This cast for one piece of work: what was answered before it was cut off is not asked again."""
        piece = ModelCast(self._recipe, self._clients)
        cached = {url: CachedClient(client, file) for url, client in self._clients.items()}
        piece._clients, piece._kept = dict(cached), cached
        try:
            yield piece
        finally:
            for client in cached.values():
                client.close()

    def kept(self) -> list[Answered]:
        return next((client.kept() for client in self._kept.values()), [])

    def agent(self, episode: Episode, world: World) -> Agent:
        if not self._agent.model:
            return super().agent(episode, world)
        environment = SqlEnvironment(world)
        tools = environment.tools()
        environment.close()
        return ModelAgent(
            self._client(self._agent),
            self._agent.name,
            tools,
            sampling=self._agent.sampling,
            conversation=f"{episode.episode_id}:agent",
        )

    def user(self, episode: Episode, world: World) -> User:
        if not self._user.model:
            return super().user(episode, world)
        return ModelUser(
            self._client(self._user),
            self._user.name,
            episode.task,
            world.compiled.domain,
            world.today,
            sampling=self._user.sampling,
            conversation=f"{episode.episode_id}:user",
        )

    def judge(self) -> ModelJudge | None:
        if not self._judge.model:
            return None
        return ModelJudge(self._client(self._judge), self._judge.name, sampling=self._judge.sampling)

    def _client(self, player: Player) -> ModelClient:
        return self._clients[player.base_url or ""]


def models_of(config: RunConfig) -> list[Player]:
    """The models that a config names."""
    players = (
        parse_player(config.agent, "--model"),
        parse_player(config.user, "--user"),
        parse_player(config.judge, "--judge"),
    )
    return [player for player in players if player.model]


@asynccontextmanager
async def open_cast(recipe: Recipe) -> AsyncIterator[EmbeddedCast]:
    """The cast of a run, with its connections open."""
    urls = sorted({player.base_url or "" for player in models_of(recipe.config)})
    if not urls:
        yield EmbeddedCast(recipe)
        return
    key = next((os.environ[name] for name in KEYS if os.environ.get(name)), None)
    async with AsyncExitStack() as stack:
        clients: dict[str, ModelClient] = {
            url: await stack.enter_async_context(OpenAIClient(url, api_key=key)) for url in urls
        }
        yield ModelCast(recipe, clients)
