"""The only source of ids and randomness.

Ids are blake2b of canonical JSON; seeds derive from ids (run → domain → world → task → attempt → role); `Rng` is our
own generator, so that neither PYTHONHASHSEED nor a release of Python or of a library can change a world.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeVar

from engine.types import canonical_json

T = TypeVar("T")
_MASK = (1 << 64) - 1


def content_hash(value: Any, size: int = 16) -> str:
    """Hex digest (2 × `size` characters) of a JSON value or of bytes."""
    data = value if isinstance(value, bytes) else canonical_json(value).encode()
    return blake2b(data, digest_size=size).hexdigest()


def derive_seed(*parts: str | int) -> int:
    """A seed of 63 bits (it fits a signed 64-bit column) that depends on every part and their order."""
    return int.from_bytes(blake2b(canonical_json(parts).encode(), digest_size=8).digest(), "big") >> 1


class Rng:
    """SplitMix64 (Steele, Lea, Flood 2014): small, fast, the same everywhere."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """An integer in [0, n); n must be positive."""
        return (self.bits() * n) >> 64

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return (self.bits() >> 11) * 2.0**-53 < p

    def choice(self, items: Sequence[T]) -> T:
        """One of a non-empty sequence."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[int]) -> T:
        """One of a sequence, with chances in proportion to integer weights."""
        point = self.below(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        raise AssertionError("weights do not add up")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list in random order (Fisher-Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out
