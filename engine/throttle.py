"""How many requests to keep in flight: a pure state machine, fed with what a server shows and how requests end.

Where a server shows its own state (vLLM's `/metrics`), the limit follows its key-value cache: it grows while there is
room and the limit is what holds us back, is trimmed when the cache fills, and is cut when requests are preempted or
queue up. Where it shows nothing (an API), the limit climbs for as long as tokens per second climb with it. Refusals
for overload cut it at once, whoever the server is. A clock is passed in: nothing here reads one.

The bounds on cache use and queues are those that prime-rl found to work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ROOM, FULL, OVERFULL = 0.6, 0.8, 0.9  # shares of the key-value cache in use
GROW, TRIM, CUT = 1.25, 0.95, 0.6
QUEUE_SHARE, QUEUE_POLLS = 0.5, 6  # a queue over half of the running, for this many polls in a row
FREEZE_AFTER = 15.0  # seconds without metrics, after which their last word counts for nothing
POLLS = 4  # over which the fullest cache counts
WINDOW = 4.0  # seconds at least over which tokens per second are counted, where there are no metrics
ROUNDS = 2  # answers to each request in flight that a window holds at least: they come in waves
GAIN = 1.03  # by which throughput must rise for a climb to count
REST = 12  # windows to stay before it is tried again whether more is better
CEILING = 0.95  # of the number in flight at which a server refused; it is not gone beyond for a while
CEILING_HOLDS = 60.0  # seconds


@dataclass(frozen=True)
class Metrics:
    """What a server says of itself: shares and counts; `preemptions` counts since the server's start."""

    kv_use: float
    running: int
    waiting: int
    preemptions: int = 0
    prefix_queries: int = 0  # prompt tokens looked up in the prefix cache, since the start
    prefix_hits: int = 0  # those that were found

    @property
    def prefix_rate(self) -> float | None:
        """Share of prompt tokens that the prefix cache had; None before anything was asked."""
        return self.prefix_hits / self.prefix_queries if self.prefix_queries else None


@dataclass(frozen=True)
class Throttle:
    """The state. `limit` is how many requests may be in flight; every method returns the next state.

    `limit` never leaves [least, most]. Times are seconds of one monotonic clock.
    """

    limit: int = 16
    least: int = 1
    most: int = 2048
    last_metrics: float | None = None
    preemptions: int | None = None
    queued_polls: int = 0
    uses: tuple[float, ...] = ()  # the last few shares of the cache in use: requests end in waves
    hold_until: float = 0.0  # no growth before this time: an overload was met
    window_start: float | None = None
    window_tokens: int = 0
    window_bound: bool = False  # the limit held requests back in this window
    best_rate: float = 0.0  # tokens per second at `best_limit`
    best_limit: int = 0
    rested: int = 0  # windows since the last climb failed
    window_answers: int = 0
    ceiling: int | None = None
    ceiling_until: float = 0.0

    def polled(self, metrics: Metrics | None, now: float, in_flight: int) -> Throttle:
        """After the server was asked for its metrics; None when it did not answer."""
        if metrics is None:
            if self.last_metrics is not None and now - self.last_metrics > FREEZE_AFTER:
                return replace(self, last_metrics=None, preemptions=None, queued_polls=0)
            return self
        preempted = self.preemptions is not None and metrics.preemptions > self.preemptions
        queue = metrics.waiting > QUEUE_SHARE * max(1, metrics.running)
        queued = self.queued_polls + 1 if queue else 0
        uses = (*self.uses, metrics.kv_use)[-POLLS:]
        seen = replace(self, last_metrics=now, preemptions=metrics.preemptions, queued_polls=queued, uses=uses)
        if preempted or metrics.kv_use > OVERFULL:
            if now < self.hold_until:
                return seen  # what was sent before the last cut is still there
            return seen._to(min(self.limit, max(1, in_flight)) * CUT if preempted else self.limit * CUT, now + 5.0)
        if queued >= QUEUE_POLLS:
            return replace(seen, queued_polls=0)._to(max(metrics.running, self.limit * TRIM), now + 5.0)
        if metrics.kv_use > FULL:
            return seen._to(self.limit * TRIM, now)
        if in_flight >= self.limit and not metrics.waiting and now >= self.hold_until:
            return seen._to(self.limit * GROW + 1 if max(uses) < ROOM else self.limit + 1, self.hold_until)
        return seen

    def finished(self, tokens: int, now: float, in_flight: int) -> Throttle:
        """After a request ended well, with how many tokens it made. `in_flight` counts it still."""
        if self.last_metrics is not None:
            return self
        bound = self.window_bound or in_flight >= self.limit
        if self.window_start is None:
            return self._window(now)
        answers = self.window_answers + 1
        counted = replace(self, window_tokens=self.window_tokens + tokens, window_bound=bound, window_answers=answers)
        if now - self.window_start < WINDOW or answers < ROUNDS * self.limit:
            return counted
        return counted._climb(counted.window_tokens / (now - self.window_start), now)

    def refused(self, now: float, retry_after: float | None = None) -> Throttle:
        """After the server said that it has too much to do (429, 503), or a request timed out."""
        if now < self.hold_until:
            return self  # the same overload, met by the others in flight
        ceiling = max(self.least, int(self.limit * CEILING))
        lower = replace(self, best_rate=0.0, best_limit=0, window_start=None, rested=0, ceiling=None)
        hold = now + (retry_after or 2.0)
        return replace(lower._to(self.limit * CUT, hold), ceiling=ceiling, ceiling_until=now + CEILING_HOLDS)

    def _window(self, now: float) -> Throttle:
        """The state at the beginning of a window in which throughput is measured."""
        over = self.ceiling is not None and now >= self.ceiling_until
        ceiling = None if over else self.ceiling
        return replace(self, window_start=now, window_tokens=0, window_answers=0, window_bound=False, ceiling=ceiling)

    def _climb(self, rate: float, now: float) -> Throttle:
        """The next limit, where only throughput tells."""
        fresh = self._window(now)
        if not self.window_bound or now < self.hold_until:
            return fresh
        if rate > self.best_rate * GAIN:
            better = replace(fresh, best_rate=rate, best_limit=self.limit, rested=0)
            return better._to(self.limit * GROW + 1, self.hold_until)
        if self.limit > self.best_limit:  # more brought nothing: back to where it was as good
            return replace(fresh, rested=0)._to(self.best_limit, self.hold_until)
        if self.rested < REST:
            return replace(fresh, rested=self.rested + 1, best_rate=max(rate, self.best_rate * 0.98))
        return replace(fresh, rested=0, best_rate=rate)._to(self.limit * GROW + 1, self.hold_until)

    def _to(self, limit: float, hold_until: float) -> Throttle:
        most = min(self.most, self.ceiling or self.most)
        return replace(self, limit=max(self.least, min(most, int(limit))), hold_until=hold_until)
