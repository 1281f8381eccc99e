"""The throttle finds a good number of requests in flight on servers of different kinds, and recovers from overload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.throttle import FREEZE_AFTER, Metrics, Throttle

TOKENS = 200  # a request makes
SECONDS = 600


@dataclass
class Server:
    """A server in steps of a tenth of a second. Each request in flight is given tokens at the speed of the batch.

    `speed(n)`: tokens a second of the whole batch of n; `seats`: running at once; `room`: requests whose tokens fit
    into the cache, beyond which some are preempted and begin anew; `refuses`: in flight beyond which it says 429.
    """

    speed: Callable[[int], float]
    seats: int = 10_000
    room: int = 10_000
    refuses: int = 10_000
    shows: bool = True

    def tokens_made(
        self, throttle: Throttle | None, fixed: int = 0, since: float = 0.0
    ) -> tuple[float, Throttle | None]:
        """Useful tokens made between `since` and SECONDS by a client that always has more to ask; the last throttle."""
        left: list[float] = []  # tokens that the requests in flight still lack
        useful, preemptions = 0.0, 0
        for step in range(SECONDS * 10):
            now = step / 10
            limit = throttle.limit if throttle is not None else fixed
            while len(left) < limit:
                if len(left) >= self.refuses:
                    if throttle is not None:
                        throttle = throttle.refused(now)
                    break
                left.append(float(TOKENS))
            running = min(len(left), self.seats)
            if running > self.room:  # the youngest lose what they had
                preemptions += running - self.room
                for i in range(self.room, running):
                    left[i] = float(TOKENS)
                running = self.room
                share = self.speed(running) * 0.6 / running / 10  # recomputing costs the others
            else:
                share = self.speed(running) / max(1, running) / 10
            busy = len(left)
            for i in range(running):
                left[i] -= share
            done = sum(1 for tokens in left if tokens <= 0)
            left = [tokens for tokens in left if tokens > 0]
            useful += done * TOKENS if now >= since else 0
            if throttle is not None:
                for _ in range(done):
                    throttle = throttle.finished(TOKENS, now, busy)
                if self.shows and step % 10 == 0:
                    waiting = max(0, len(left) - self.seats)
                    use = min(1.0, len(left) / self.room)
                    throttle = throttle.polled(Metrics(use, running, waiting, preemptions), now, busy)
        return useful, throttle

    def best_fixed(self, since: float = 0.0) -> float:
        return max(
            self.tokens_made(None, fixed, since)[0] for fixed in (2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
        )


def saturating(top: float, half: int) -> Callable[[int], float]:
    return lambda n: top * n / (n + half)


SERVERS = {
    "vLLM whose cache is what is scarce": Server(saturating(6000, 20), room=96),
    "vLLM with few seats": Server(saturating(4000, 10), seats=64, room=400),
    "an API that shows nothing and refuses beyond its rate": Server(saturating(5000, 24), refuses=120, shows=False),
}


@pytest.mark.parametrize("name", SERVERS)
def test_it_comes_within_a_tenth_of_the_best_fixed_number_in_flight(name: str) -> None:
    made, _ = SERVERS[name].tokens_made(Throttle())
    best = SERVERS[name].best_fixed()
    assert made >= 0.9 * best, f"{made / best:.1%} of the best fixed number"


def test_it_recovers_from_a_server_that_it_overloads_at_the_start() -> None:
    server = Server(saturating(6000, 20), room=48)
    drained = 150.0  # what was sent too much must be answered first
    made, end = server.tokens_made(Throttle(limit=1000), since=drained)
    assert made >= 0.9 * server.best_fixed(drained) and end is not None and end.limit <= 60


def test_a_limit_that_never_binds_does_not_grow() -> None:
    calm = Throttle(limit=16)
    for second in range(60):
        calm = calm.polled(Metrics(0.1, 3, 0), float(second), 3).finished(TOKENS, float(second), 3)
    assert calm.limit == 16


def test_one_overload_that_many_requests_meet_cuts_the_limit_once() -> None:
    throttle = Throttle(limit=100)
    for i in range(40):
        throttle = throttle.refused(10.0 + i / 100, retry_after=5.0)
    assert throttle.limit == 60 and throttle.hold_until == 15.0
    assert throttle.refused(15.1).limit == 36


def test_metrics_that_stay_away_are_no_longer_believed() -> None:
    throttle = Throttle().polled(Metrics(0.2, 4, 0), 0.0, 4)
    assert throttle.polled(None, FREEZE_AFTER - 1, 4).last_metrics == 0.0
    assert throttle.polled(None, FREEZE_AFTER + 1, 4).last_metrics is None


def test_a_queue_must_last_before_it_counts() -> None:
    throttle = Throttle(limit=100)
    for second in range(5):
        throttle = throttle.polled(Metrics(0.5, 40, 60), float(second), 100)
    assert throttle.limit == 100
    assert throttle.polled(Metrics(0.5, 40, 60), 5.0, 100).limit == 95


EVENTS = st.lists(
    st.tuples(st.sampled_from(["poll", "blind", "done", "refused"]), st.floats(0, 1), st.integers(0, 5000)), max_size=80
)


@given(EVENTS)
def test_the_limit_stays_within_its_bounds_whatever_happens(events: list[tuple[str, float, int]]) -> None:
    throttle, now = Throttle(limit=8, least=2, most=64), 0.0
    for what, use, count in events:
        now += use * 5
        if what == "poll":
            throttle = throttle.polled(Metrics(use, count % 70, count % 90, count), now, count % 70)
        elif what == "blind":
            throttle = throttle.polled(None, now, count % 70)
        elif what == "done":
            throttle = throttle.finished(count, now, count % 70)
        else:
            throttle = throttle.refused(now, use)
        assert 2 <= throttle.limit <= 64
