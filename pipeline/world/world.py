"""A populated world: the state from which tasks start, open to episodes and verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from pipeline.world.compile import CompiledDomain
from pipeline.world.session import Pool

LOG_TABLES = frozenset({"call_log", "user_turns"})


@dataclass(frozen=True)
class World:
    """One domain, one seed. `image` has the capture triggers; `plain_image` no trigger, and the tables of a log."""

    compiled: CompiledDomain = field(repr=False)
    seed: int
    today: str  # fixed for every episode
    start: str  # where the clock of every episode starts, `YYYY-MM-DD HH:MM:SS`
    state: str  # hash of every row
    next_ids: dict[str, int]
    image: bytes = field(repr=False)
    plain_image: bytes = field(repr=False)
    reverse: bool = False  # rows that nobody ordered come in the other order: a test of the domain, never of an agent

    @cached_property
    def episodes(self) -> Pool:
        """Databases in which tools are called."""
        return Pool(self.image, self.compiled.relations, writes=True, reverse=self.reverse)

    @cached_property
    def verdicts(self) -> Pool:
        """Databases in which final states are looked at."""
        return Pool(self.plain_image, self.compiled.relations | LOG_TABLES, writes=False, reverse=self.reverse)

    def under(self, compiled: CompiledDomain) -> World:
        """The same rows under other tools of the same schema; its databases are shared, which saves opening them."""
        other = replace(self, compiled=compiled)
        other.__dict__.update(episodes=self.episodes, verdicts=self.verdicts)
        return other
