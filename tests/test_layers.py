"""Who may import whom, where each heavy library lives, and what no code may ask of the process or the clock.

Everything is read from the source text, without importing it. Every rule is also shown a source that breaks it: a rule
that finds nothing in a planted violation would find nothing in ours.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From top to bottom; a room may import from the layers below its own, and from its own only what SIBLINGS names.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("generate", "progress", "show", "answers"),  # what a person sees
    ("runner", "worker", "cast"),
    ("stages", "publish", "replay", "recipe"),
    ("evolve", "trust", "export", "report"),
    ("check",),
    ("tasks", "rollout", "judging", "filters"),
    ("world", "storage"),
    # The nouns, and what all rooms say and read them with: these may know each other.
    (
        "types",
        "verdicts",
        "domain",
        "errors",
        "identity",
        "config",
        "players",
        "paths",
        "wording",
        "reading",
        "sources",
        "__init__",
    ),
    ("engine",),
)
NOUNS = LAYERS[-2]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
SIBLINGS = {
    ("generate", "progress"),
    ("runner", "cast"),  # who plays is the same wherever the work is done
    ("worker", "cast"),
    ("stages", "publish"),  # publishing is the last stage
    ("stages", "recipe"),  # what rows follow from is gathered the same way to make them and to replay them
    ("replay", "recipe"),
    ("replay", "stages"),
    ("replay", "publish"),  # what a row owes to the whole run is compared with what publishing says
}

# A library, and the rooms or modules that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "sqlite3": ("pipeline.world", "engine.cache"),
    "pyarrow": ("pipeline.storage",),
    "duckdb": ("pipeline.storage",),
    "ray": ("pipeline.runner",),
    "torch": ("engine",),
    "vllm": ("engine",),
    "transformers": ("engine",),
    "aiohttp": ("engine",),
    "jsonschema_rs": ("pipeline.world",),
    "rensa": ("pipeline.filters",),
    "typer": ("pipeline.cli",),
    "rich": tuple(f"pipeline.{room}" for room in ("cli", "generate", "progress", "show", "answers")),
    "yaml": ("pipeline.world", "pipeline.config"),
    "jinja2": ("pipeline.wording", "pipeline.reading"),
    "pandas": (),
    "matplotlib": (),
}
# Too slow to load for `toolworlds --help`.
SLOW = {"ray", "pyarrow", "duckdb", "pandas", "matplotlib", "torch", "vllm", "transformers", "aiohttp", "rensa"}

# Only who picks concrete classes may know a concrete client; the rest sees the protocol.
CLIENT_PARTS = {"scripted", "cache", "throttle", "serve"}
PICKERS = {"cli", "cast"}
PROTOCOL = ([], ["ModelClient"], ["ModelError"])  # of engine.client, what everybody may know


@dataclass(frozen=True)
class Import:
    """`target` is what `module` imports on `line`; `early`: it happens when the module is loaded."""

    module: str
    target: str
    line: int
    early: bool


def read(package: str) -> dict[str, str]:
    """Module name → source text; a package's own file is `package.__init__`."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file.read_text(encoding="utf-8")
        for file in sorted((ROOT / package).rglob("*.py"))
        if "_data" not in file.parts
    }


def imports(module: str, source: str) -> Iterator[Import]:
    """Every import of a module, each imported name as a full path (which may name a function or a submodule)."""

    def visit(node: ast.AST, early: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(module, name.name, node.lineno, early)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute, so that they can be read"
            for name in node.names:
                yield Import(module, f"{node.module}.{name.name}", node.lineno, early)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from visit(child, False)
            for child in node.orelse:
                yield from visit(child, early)
        else:
            inside = early and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside)

    yield from visit(ast.parse(source), True)


def room(path: str) -> str:
    """The room in which a module lies: `engine`, or the part of `pipeline` that it is or belongs to."""
    head, *rest = path.split(".")
    return head if head != "pipeline" else (rest[0] if rest and rest[0] in LEVEL else "__init__")


def wrong_direction(sources: Mapping[str, str]) -> list[str]:
    """Imports that point up or sideways, and modules that have no place in LAYERS."""
    found = []
    for module, source in sources.items():
        if module.startswith("pipeline.") and module.split(".")[1] not in LEVEL:
            found.append(f"{module} has no place in LAYERS")
            continue
        here = room(module)
        for i in imports(module, source):
            if i.target.split(".")[0] not in ("engine", "pipeline"):
                continue
            there = room(i.target)
            down = LEVEL[there] > LEVEL[here]
            if not (down or here == there or (here, there) in SIBLINGS or {here, there} <= set(NOUNS)):
                found.append(f"{module}:{i.line} imports {i.target}: {here} is not above {there}")
    return found


def away_from_home(sources: Mapping[str, str]) -> list[str]:
    """Imports of a library outside the rooms that are its home."""
    return [
        f"{i.module}:{i.line} imports {i.target}: its home is {' and '.join(homes) or 'outside the packages'}"
        for module, source in sources.items()
        for i in imports(module, source)
        if (homes := HOMES.get(i.target.split(".")[0])) is not None
        and not any(f"{module}.".startswith(f"{home}.") for home in homes)
    ]


def loaded_by(start: str, sources: Mapping[str, str]) -> set[str]:
    """The modules of ours that are loaded when `start` is: what it imports early, and so on, packages included."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            prefix = ".".join(parts[:n])
            for module in (prefix, f"{prefix}.__init__"):
                if module in sources and module not in seen:
                    seen.add(module)
                    todo += [i.target for i in imports(module, sources[module]) if i.early]
    return seen


def slow_start(sources: Mapping[str, str]) -> list[str]:
    """Slow libraries that are loaded before the command line knows what it is asked to do."""
    return [
        f"{i.module}:{i.line} loads {i.target} when `toolworlds --help` is asked: import it where it is used"
        for module in sorted(loaded_by("pipeline.cli", sources))
        for i in imports(module, sources[module])
        if i.early and i.target.split(".")[0] in SLOW
    ]


def knows_a_client(sources: Mapping[str, str]) -> list[str]:
    """Rooms that know a concrete model client, and a world that awaits or knows of models."""
    found = []
    for module, source in sources.items():
        here = room(module)
        for i in imports(module, source):
            parts = i.target.split(".")
            if here == "engine" or parts[0] != "engine" or here in PICKERS or len(parts) < 2:
                continue
            if parts[1] in CLIENT_PARTS or (parts[1] == "client" and parts[2:] not in PROTOCOL):
                found.append(f"{module}:{i.line} imports {i.target}: {' and '.join(sorted(PICKERS))} pick a client")
            if here == "world" and parts[1] != "types":
                found.append(f"{module}:{i.line} imports {i.target}: a world never sees a model")
        if here == "world":
            found += [
                f"{module}:{node.lineno} is asynchronous: a world never awaits"
                for node in ast.walk(ast.parse(source))
                if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
            ]
    return found


def calls_hash(sources: Mapping[str, str]) -> list[str]:
    """Calls of the builtin hash(), which differs from process to process. Ruff finds the other sources of chance."""
    return [
        f"{module}:{node.lineno} calls hash(): use pipeline.identity.content_hash()"
        for module, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash"
    ]


RULES = (wrong_direction, away_from_home, slow_start, knows_a_client, calls_hash)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_our_source_keeps_the_rule(rule) -> None:
    sources = read("engine") | read("pipeline")
    assert len(sources) > 5
    assert rule(sources) == []


@pytest.mark.parametrize(
    ("rule", "planted", "says"),
    [
        (wrong_direction, {"engine.client": "from pipeline.types import Call"}, "engine is not above types"),
        (wrong_direction, {"engine.client": "def f():\n    import pipeline.identity"}, "engine.client:2"),
        (wrong_direction, {"pipeline.world.load": "from pipeline.tasks import synthesize"}, "world is not above tasks"),
        (wrong_direction, {"pipeline.world.load": "from pipeline import check"}, "world is not above check"),
        (wrong_direction, {"pipeline.world.load": "from pipeline.storage.journal import append"}, "above storage"),
        (wrong_direction, {"pipeline.filters.near": "from pipeline.judging.state import judge"}, "above judging"),
        (wrong_direction, {"pipeline.types": "from pipeline.world import load"}, "types is not above world"),
        (wrong_direction, {"pipeline.check.ladder": "import pipeline.runner"}, "check is not above runner"),
        (wrong_direction, {"pipeline.publish": "from pipeline.stages import run"}, "publish is not above stages"),
        (wrong_direction, {"pipeline.rollout.loop": "if TYPE_CHECKING:\n    from pipeline.cli import main"}, "cli"),
        (wrong_direction, {"pipeline.helpers": ""}, "pipeline.helpers has no place"),
        (away_from_home, {"pipeline.judging.state": "import sqlite3"}, "its home is pipeline.world"),
        (away_from_home, {"pipeline.worldly": "import sqlite3"}, "its home is pipeline.world"),
        (away_from_home, {"pipeline.report": "def f():\n    from pyarrow import parquet"}, "pipeline.storage"),
        (away_from_home, {"pipeline.stages": "import ray.data"}, "its home is pipeline.runner"),
        (away_from_home, {"pipeline.rollout.agent": "import torch"}, "its home is engine"),
        (away_from_home, {"pipeline.publish": "import pandas"}, "outside the packages"),
        (slow_start, {"pipeline.cli": "import pyarrow"}, "loads pyarrow"),
        (slow_start, {"pipeline.cli": "try:\n    import ray\nexcept ImportError:\n    ray = None"}, "loads ray"),
        (
            slow_start,
            {"pipeline.cli": "from pipeline import stages", "pipeline.stages": "import duckdb as d"},
            "pipeline.stages:1 loads duckdb",
        ),
        (
            slow_start,
            {
                "pipeline.cli": "from pipeline.storage.query import ask",
                "pipeline.storage.__init__": "from pyarrow import parquet",
                "pipeline.storage.query": "",
            },
            "pipeline.storage.__init__:1 loads pyarrow.parquet",
        ),
        (knows_a_client, {"pipeline.rollout.agent": "from engine.client import OpenAIClient"}, "pick a client"),
        (knows_a_client, {"pipeline.judging.judge": "import engine.cache"}, "pick a client"),
        (knows_a_client, {"pipeline.world.functions": "from engine.formats import render"}, "never sees a model"),
        (knows_a_client, {"pipeline.world.environment": "async def call(): ..."}, "never awaits"),
        (calls_hash, {"pipeline.tasks.draw": "seed = hash('a')"}, "pipeline.tasks.draw:1 calls hash()"),
    ],
)
def test_a_rule_finds_what_breaks_it(rule, planted: dict[str, str], says: str) -> None:
    (found,) = rule(planted)
    assert says in found


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (wrong_direction, {"pipeline.cli": "from pipeline import runner, types\nfrom engine.types import Message"}),
        (wrong_direction, {"pipeline.stages": "from pipeline.publish import publish"}),
        (wrong_direction, {"pipeline.domain": "from pipeline import errors\nimport json"}),
        (away_from_home, {"pipeline.world.access": "import sqlite3", "engine.cache": "import sqlite3"}),
        (slow_start, {"pipeline.cli": "def ask():\n    import duckdb"}),
        (slow_start, {"pipeline.cli": "if TYPE_CHECKING:\n    import pyarrow as pa"}),
        (slow_start, {"pipeline.cli": "", "pipeline.storage.schema": "import pyarrow"}),
        (knows_a_client, {"pipeline.rollout.agent": "from engine.client import ModelClient"}),
        (knows_a_client, {"pipeline.cli": "from engine.client import OpenAIClient"}),
        (calls_hash, {"pipeline.tasks.draw": "class K:\n    def __hash__(self):\n        return self.hash()"}),
    ],
)
def test_a_rule_leaves_what_is_right_alone(rule, allowed: dict[str, str]) -> None:
    assert rule(allowed) == []


def test_asking_for_help_loads_nothing_slow() -> None:
    asks = "import sys, pipeline.cli; print(*sorted(set(sys.modules) & set(sys.argv[1:])))"
    answer = subprocess.run([sys.executable, "-c", asks, *SLOW], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == []


@pytest.mark.parametrize(
    "source",
    [
        "import random\n",
        "from random import choice\n",
        "import uuid\n\nx = uuid.uuid4()\n",
        "from uuid import uuid4\n",
        "import time\n\nx = time.time()\n",
        "from time import time\n",
        "import datetime\n\nx = datetime.datetime.now()\n",
        "from datetime import datetime as d\n\nx = d.now()\n",
        "from datetime import date\n\nx = date.today()\n",
        "import os\n\nx = os.urandom(8)\n",
        "import pickle\n",
    ],
)
def test_lint_finds_sources_of_chance_but_not_in_identity_and_ledger(source: str) -> None:
    def banned(file: str) -> bool:
        lint = ["ruff", "check", "--no-cache", "--select", "TID251", "--stdin-filename", file, "-"]
        answer = subprocess.run(
            [sys.executable, "-m", *lint], cwd=ROOT, input=source, capture_output=True, text=True, timeout=60
        )
        assert answer.returncode in (0, 1), answer.stderr
        return "TID251" in answer.stdout

    assert banned("pipeline/tasks/draw.py")
    assert banned("engine/client.py")
    assert not banned("pipeline/identity.py")
    assert not banned("pipeline/storage/ledger.py")
