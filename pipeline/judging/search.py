"""Which value each variable takes: propagation and backtracking, for the map of new rows.

Propagation is arc consistency over the links, and in each table a perfect matching must remain. The search takes the
variable with the fewest values first. Hashing children upward or refining downward as the *decision* gives wrong
answers (rows that look alike by every hash can still be linked differently); here refinement only ever prunes what
cannot be.
"""

from __future__ import annotations

Domains = list[set[int]]
"""Per variable, the values that it may still take."""
Links = list[tuple[int, int, dict[int, int]]]
"""(child, parent, value of the child → the value of the parent that it refers to)."""
Mentions = list[tuple[int, int, dict[int, set[int]]]]
"""(row with a text, row that the text must name, value of the first → values of the second that its text names)."""

QUICK_NODES = 100  # enough wherever propagation decides nearly everything


class Exhausted(Exception):
    """The search used up its budget."""


def solve(
    domains: Domains, links: Links, mentions: Mentions, groups: list[list[int]], max_nodes: int
) -> list[int] | None:
    """One value for each variable, or None when there is no solution. `groups`: variables that may not share a value.

    Raises Exhausted after `max_nodes` trials.
    """
    search = _Search(links, mentions, groups, min(QUICK_NODES, max_nodes))
    if not search.propagate(domains):
        return None
    try:
        found = search.run(domains)
    except Exhausted:
        # Try every single pairing once and keep what survives: costly, and it unties most knots.
        search.nodes = max_nodes
        if not search.each_pair_alone(domains):
            return None
        found = search.run(domains)
    return None if found is None else [next(iter(domain)) for domain in found]


class _Search:
    def __init__(self, links: Links, mentions: Mentions, groups: list[list[int]], nodes: int) -> None:
        self.links, self.mentions, self.groups, self.nodes = links, mentions, groups, nodes

    def run(self, domains: Domains) -> Domains | None:
        open_rows = [(len(d), i) for i, d in enumerate(domains) if len(d) > 1]
        if not open_rows:
            return domains
        _, i = min(open_rows)
        for j in sorted(domains[i]):
            self.nodes -= 1
            if self.nodes < 0:
                raise Exhausted
            narrowed = [set(d) for d in domains]
            narrowed[i] = {j}
            if self.propagate(narrowed):
                found = self.run(narrowed)
                if found is not None:
                    return found
        return None

    def each_pair_alone(self, domains: Domains) -> bool:
        changed = True
        while changed:
            changed = False
            for i, domain in enumerate(domains):
                for j in sorted(domain) if len(domain) > 1 else ():
                    self.nodes -= 1
                    if self.nodes < 0:
                        raise Exhausted
                    trial = [set(d) for d in domains]
                    trial[i] = {j}
                    if not self.propagate(trial):
                        domain.discard(j)
                        changed = True
            if not self.propagate(domains):
                return False
        return True

    def propagate(self, domains: Domains) -> bool:
        """Narrow in place to what links and exclusiveness leave; False when some row has no counterpart left."""
        changed = True
        while changed:
            changed = False
            for child, parent, to in self.links:
                parents = domains[parent]
                kept = {j for j in domains[child] if to.get(j) in parents}
                reached = {to[j] for j in kept} & parents
                if len(kept) < len(domains[child]) or len(reached) < len(parents):
                    domains[child], domains[parent], changed = kept, reached, True
                if not kept or not reached:
                    return False
            for writer, new, held in self.mentions:
                ids = domains[new]
                kept = {j for j in domains[writer] if held.get(j, set()) & ids}
                reached = {k for k in ids if any(k in held[j] for j in kept)}
                if len(kept) < len(domains[writer]) or len(reached) < len(ids):
                    domains[writer], domains[new], changed = kept, reached, True
                if not kept or not reached:
                    return False
            for group in self.groups:
                taken = [next(iter(domains[i])) for i in group if len(domains[i]) == 1]
                once = set(taken)
                if len(once) < len(taken):
                    return False
                for i in group:
                    if len(domains[i]) > 1 and domains[i] & once:
                        domains[i] = domains[i] - once
                        changed = True
                        if not domains[i]:
                            return False
        return all(_can_pair(group, domains) for group in self.groups)


def _can_pair(group: list[int], domains: Domains) -> bool:
    """Whether every row of a table can have a counterpart of its own (augmenting paths, Kuhn 1955)."""
    owner: dict[int, int] = {}

    def place(i: int, seen: set[int]) -> bool:
        for j in domains[i]:
            if j not in seen:
                seen.add(j)
                if j not in owner or place(owner[j], seen):
                    owner[j] = i
                    return True
        return False

    return all(place(i, set()) for i in group)
