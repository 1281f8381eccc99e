"""Rung `populate`: worlds come of every seed, and none of their tables is empty."""

from __future__ import annotations

from pipeline.check.refusal import Refusal, refusals_of
from pipeline.check.subject import SEEDS, Found, Subject, world_seed
from pipeline.errors import BadInput, DomainDefect
from pipeline.tasks.draw import Drawer
from pipeline.world import populate


def populated(subject: Subject) -> Found:
    """Worlds over several seeds, none of their tables empty. Invariants and foreign keys: `populate` refuses."""
    rung = "populate"
    subject.drawers = []
    refusals: list[Refusal] = []
    try:
        for n in range(SEEDS):
            subject.drawers.append(Drawer(populate(subject.compiled, world_seed(subject.domain.name, n))))
    except BadInput as error:
        return Found("", refusals_of(error, rung, where=subject.folder.name, remedy="Mend how the rows are made."))
    except DomainDefect as defect:
        return Found("", [_defect(subject, str(defect))])
    rows = []
    for drawer in subject.drawers:
        rows.append(0)
        for table in subject.compiled.shapes:
            (count,) = drawer.start.first_row(f'SELECT count(*) FROM "{table}"') or (0,)
            rows[-1] += count
            if table in subject.domain.population.tables and not count:
                where = subject.at("population.yaml", "tables", table)
                what = f"{table} is empty in the world of seed {drawer.world.seed}"
                refusals.append(Refusal(where, rung, what, "Make more rows, or let fewer of them be refused."))
    size = max(len(world.image) for world in subject.worlds)
    return Found(f"{SEEDS} worlds of {min(rows):,} to {max(rows):,} rows, {size // 1024:,} KiB each", refusals)


def _defect(subject: Subject, text: str) -> Refusal:
    for i, invariant in enumerate(subject.domain.invariants):
        if repr(invariant.name) in text:
            where = subject.at("domain.yaml", "invariants", i)
            return Refusal(where, "populate", text, "Populate rows that keep it, or mend the invariant.")
    where = subject.at("population.yaml", "tables")
    return Refusal(where, "populate", text, "Draw references with `ref`, and fill the parents first.")
