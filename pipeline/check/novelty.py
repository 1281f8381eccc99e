"""Rung `novelty`: a domain is not another one in other words.

Names erased, a domain is a labelled graph: its tables with their columns (type, key or reference, how many values a
CHECK allows: the states of a lifecycle), its tools with parameters (type, enum, optional), guards and effects (what
they insert, update, delete, which columns), and its invariants. Edges lead from what has, references, reads or writes
to what is had, referenced, read or written. Each node's label is refined by the labels that its edges lead to, DEPTH
times (Weisfeiler and Lehman 1968; as a graph kernel: Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels"), so
that a label at depth d stands for all that is used within d steps. The signature counts labels by depth.

Two domains are as similar as the mean over depths of |A ∩ B| / |A ∪ B| of their label counts: 1 for a copy whatever its
names. Edges lead one way only, so that a copy from which some tools were taken is still seen as one (travel without a
third of its tools: 0.84), while domains made apart stay below one half.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.check.bend import Opaque, columns_written, target
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.errors import BadInput, DomainDefect
from pipeline.identity import content_hash
from pipeline.world import CompiledDomain, compile_domain, domain_folders, parse_source
from pipeline.world.load import read_files
from pipeline.world.prepare import Workbench

RUNG = "novelty"
DEPTH = 3
MOST = 0.8  # similarity to another shipped domain from which on a domain is a copy of it
_UNTOLD = {  # what a signature does not need, left out so that it costs little
    "intents.yaml": b"[]",
    "population.yaml": b"{clock: {days: [2026-01-01, 2026-01-01]}, tables: {}}",
    "policy.md": b"",
}
_STATES = re.compile(r"CHECK\s*\(\s*\"?(\w+)\"?\s+IN\s*\(([^()]*)\)", re.IGNORECASE)
_TABLE = re.compile(r"CREATE\s+TABLE\s+\"?(\w+)\"?(.*?)(?=CREATE\s|\Z)", re.IGNORECASE | re.DOTALL)

Signature = Counter[tuple[int, str]]
"""How often each label occurs, by depth."""


def novel(subject: Subject) -> Found:
    """The shipped domain that is nearest to this one, refused when that is this one again."""
    mine = signature(subject.compiled)
    nearest, name = 0.0, ""
    for other, folder in domain_folders().items():
        if other in (subject.domain.name, subject.folder.resolve().name):
            continue  # itself, or somebody's working copy of it
        try:
            theirs = signature_of(folder)
        except BadInput:
            continue  # it cannot be read: its own check says why
        nearest, name = max((nearest, name), (similarity(mine, theirs), other))
    if nearest > MOST:
        what = f"it is {name} in other words: similarity {nearest:.2f}, and at most {MOST} is allowed"
        remedy = "Give it tables, tools and lifecycles of its own; names do not count."
        return Found("", [Refusal(subject.at("domain.yaml"), RUNG, what, remedy)])
    return Found(f"nearest is {name}, similarity {nearest:.2f}" if name else "there is no other domain", [])


def signature_of(folder: Path) -> Signature:
    """The signature of the domain in a folder. Raises BadInput when its schema or tools do not hold."""
    return signature(compile_domain(parse_source(folder.name, {**read_files(folder), **_UNTOLD})))


def signature(compiled: CompiledDomain) -> Signature:
    """How often each label occurs in the domain's graph, by depth."""
    graph = _Graph()
    _build(graph, compiled)
    labels = dict(graph.labels)
    counts: Signature = Counter((0, label) for label in labels.values())
    for depth in range(1, DEPTH + 1):
        labels = {
            node: content_hash([labels[node], sorted((edge, labels[other]) for edge, other in graph.edges[node])], 8)
            for node in labels
        }
        counts.update((depth, label) for label in labels.values())
    return counts


def similarity(a: Signature, b: Signature) -> float:
    """From 0 (nothing in common) to 1 (the same but for names)."""
    shares = []
    for depth in range(DEPTH + 1):
        mine = Counter({key: n for key, n in a.items() if key[0] == depth})
        theirs = Counter({key: n for key, n in b.items() if key[0] == depth})
        every = (mine | theirs).total()
        shares.append((mine & theirs).total() / every if every else 1.0)
    return sum(shares) / len(shares)


# ---------------------------------------------------------------- the graph


class _Graph:
    """Nodes with a label each, and labelled edges from what has, reads or writes to what is had, read or written."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.edges: dict[str, list[tuple[str, str]]] = {}

    def node(self, name: str, *label: Any) -> str:
        self.labels[name] = content_hash(list(label), 8)
        self.edges.setdefault(name, [])
        return name

    def edge(self, one: str, label: str, other: str) -> None:
        self.edges[one].append((label, other))


def _build(graph: _Graph, compiled: CompiledDomain) -> None:
    bench = Workbench(compiled)
    try:
        types, states = bench.types(), dict(_states(compiled.domain.schema_sql))
        for name, shape in compiled.shapes.items():
            graph.node(f"table {name}", "table", shape.generated, len(shape.key))
            for column in shape.columns:
                kind = types[name][column], column in shape.key, shape.compare.get(column), states.get((name, column))
                graph.edge(f"table {name}", "has", graph.node(f"column {name}.{column}", "column", *kind))
        for name, shape in compiled.shapes.items():
            for column, other in shape.references.items():
                graph.edge(f"column {name}.{column}", "refers to", f"table {other}")
        for tool in compiled.domain.tools:
            here = graph.node(f"tool {tool.name}", "tool", tool.actor, tool.confirm, tool.returns.many)
            for name, schema in tool.parameters.items():
                kind_ = schema.get("type"), len(schema.get("enum", ())), bool(schema.get("optional"))
                graph.edge(here, "has", graph.node(f"parameter {tool.name}.{name}", "parameter", *kind_))
            for sql, kind_of, k in (
                *((guard.sql, "guard", k) for k, guard in enumerate(tool.requires)),
                (tool.returns.sql, "returns", 0),
            ):
                asks = graph.node(f"{kind_of} {tool.name}.{k}", kind_of)
                graph.edge(here, "has", asks)
                _reads(graph, compiled, bench, asks, sql)
            for k, sql in enumerate(tool.effects):
                _effect(graph, compiled, f"effect {tool.name}.{k}", sql, here)
        for k, invariant in enumerate(compiled.domain.invariants):
            _reads(graph, compiled, bench, graph.node(f"invariant {k}", "invariant"), invariant.sql)
    finally:
        bench.close()


def _reads(graph: _Graph, compiled: CompiledDomain, bench: Workbench, node: str, sql: str) -> None:
    try:
        reads = bench.prepare(sql).reads
    except DomainDefect:
        return  # what cannot be prepared is refused elsewhere
    for table in sorted(reads & compiled.shapes.keys()):
        graph.edge(node, "reads", f"table {table}")


def _effect(graph: _Graph, compiled: CompiledDomain, name: str, sql: str, tool: str) -> None:
    verb, table = target(sql, compiled.shapes)
    node = graph.node(name, "effect", verb)
    graph.edge(tool, "has", node)
    graph.edge(node, "changes", f"table {table}")
    try:
        written = columns_written(sql, compiled.shapes)
    except Opaque:
        return
    for part in written:
        graph.edge(node, "writes", f"column {part.table}.{part.column}")


def _states(schema: str) -> Iterator[tuple[tuple[str, str], int]]:
    """How many values a CHECK allows a column, by (table, column)."""
    for table, body in _TABLE.findall(schema):
        for column, values in _STATES.findall(body):
            yield (table, column), len(values.split(","))
