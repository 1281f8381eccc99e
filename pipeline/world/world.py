"""A populated world: the state from which tasks start, as an image that opens in well under a millisecond."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.world.compile import CompiledDomain


@dataclass(frozen=True)
class World:
    """One domain, one seed. `image` has the capture triggers; `plain_image` has no triggers at all (for judging)."""

    compiled: CompiledDomain = field(repr=False)
    seed: int
    today: str  # fixed for every episode
    start: str  # where the clock of every episode starts, `YYYY-MM-DD HH:MM:SS`
    state: str  # hash of every row
    next_ids: dict[str, int]
    image: bytes = field(repr=False)
    plain_image: bytes = field(repr=False)
