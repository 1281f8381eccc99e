"""Another order of the same calls, where the order does not matter: people do not all work in the gold's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.identity import Rng
from pipeline.sources import seen_in
from pipeline.tasks.draw import Drawn, Drop
from pipeline.tasks.outcome import GoalRun, broken_rule, run_plans
from pipeline.types import Cell, Change, Plan, PlanStep, TableShape
from pipeline.world import World


def reordered(world: World, drawn: Drawn, gold: GoalRun, rng: Rng) -> list[Plan]:
    """At most one other order of the gold's calls, executed and found to leave the same behind."""
    steps = gold.plan.steps
    if len(steps) < 3:
        return []
    order = _shuffle(steps, rng)
    if order == list(range(len(steps))):
        return []
    written = [drawn.intent.gold[i] for i in order]
    instead = {name: drawn.values[name] for name in drawn.accepted}
    try:
        same, _ = run_plans(world, [drawn], [("gold", drawn.intent.gold)], [instead])
        other, (run,) = run_plans(world, [drawn], [("reordered", written)], [instead])
    except Drop:
        return []  # the order mattered
    shapes = world.compiled.shapes
    if _without_ids(same.change, shapes) != _without_ids(other.change, shapes):
        return []
    if broken_rule(world, other.change, [run]) is not None:
        return []  # what it leaves is right, the way there is not
    return [run.plan]


def _shuffle(steps: Sequence[PlanStep], rng: Rng) -> list[int]:
    """A random order in which every step still comes after those whose results it uses.

    What was looked up before the first write stays before every write: a proposal speaks of it. What the user does
    stays where it is: they look, mend and test, and another order would test before it mends.
    """
    by_key = {step.key: i for i, step in enumerate(steps)}
    needs = [
        {by_key[n] for source in step.arguments.values() for n in seen_in(source) if n in by_key} for step in steps
    ]
    first = next((i for i, step in enumerate(steps) if step.writes), len(steps))
    for i, step in enumerate(steps):
        needs[i] |= set(range(first)) if step.writes else set()
        needs[i] |= set(range(i)) if step.actor == "user" else {k for k in range(i) if steps[k].actor == "user"}
    order: list[int] = []
    while len(order) < len(steps):
        order.append(rng.choice([i for i in range(len(steps)) if i not in order and needs[i] <= set(order)]))
    return order


def _without_ids(change: Change, shapes: dict[str, TableShape]) -> Counter[tuple[object, ...]]:
    """A change with new ids and clock times blanked: what two orders of the same calls must agree in."""
    new = {(row.table, row.key[0]) for row in change.inserts if shapes[row.table].generated}

    def cell(table: str, column: str, value: Cell) -> Cell:
        shape = shapes[table]
        if shape.compare.get(column) in ("clock", "text"):
            return "*"
        own = shape.generated and column == shape.key[0]
        return "*" if own or (shape.references.get(column), value) in new else value

    return Counter(
        [("insert", r.table, *(cell(r.table, c, v) for c, v in r.row.items())) for r in change.inserts]
        + [("update", u.table, u.key, u.column, cell(u.table, u.column, u.after)) for u in change.updates]
        + [("delete", d.table, d.key) for d in change.deletes]
    )
