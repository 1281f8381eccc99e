"""Keep one kind of request from drowning the others: at most so many rows of one combination of intents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pipeline.config import RunConfig
from pipeline.filters.facts import RowFacts, RunFacts
from pipeline.verdicts import Record


def cap(config: RunConfig, facts: RunFacts) -> Callable[[Record, RowFacts], str | None]:
    """Drops rows beyond `per_intent_cap`; the order of the intents does not matter. Without a cap all stay."""
    kept: Counter[tuple[str, ...]] = Counter()

    def judge(record: Record, row: RowFacts) -> str | None:
        if config.per_intent_cap is None:
            return None
        intents = (record.task.domain, *sorted(goal.intent for goal in record.task.goals))
        if kept[intents] >= config.per_intent_cap:
            return f"there are {kept[intents]} rows of {' + '.join(intents[1:])} already"
        kept[intents] += 1
        return None

    return judge
