"""The main job: from what a person asked for to a published dataset and a summary of what became of it."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from pipeline import __version__
from pipeline.cast import models_of
from pipeline.config import RunConfig, read_config
from pipeline.errors import BadInput, Exit
from pipeline.progress import RunProgress
from pipeline.publish import publish, published
from pipeline.recipe import Recipe, gather_inputs
from pipeline.runner import RUNNERS, in_ray_job
from pipeline.stages import Receipt
from pipeline.storage.funnel import Funnel
from pipeline.storage.shards import RunFolder
from pipeline.storage.trust_file import read_trust, write_trust
from pipeline.storage.work import Work
from pipeline.trust.measure import measure
from pipeline.world.access import SQLITE_VERSION
from pipeline.world.yaml_file import read_yaml

if TYPE_CHECKING:
    from rich.console import Console


def generate(console: Console, file: Path | None, given: dict[str, Any]) -> Exit:
    """Make or take up the run that the options ask for. Raises BadInput or Incomplete with what to do."""
    if not given.get("domains") and file is None:
        raise BadInput(
            "no domain is given", where="--domain", remedy="For example: toolworlds generate --domain travel"
        )
    config = read_config(read_yaml(file)[0] if file else {}, given, str(file or ""))
    _supported(config)
    config, inputs = gather_inputs(config)
    if config.out == Path("runs"):
        config = config.model_copy(update={"out": Path("runs") / "+".join(config.domains)[:80]})
    recipe = Recipe(config, inputs)
    _ = recipe.makers, recipe.rubrics  # what is wrong with them is said before a folder is made
    versions = {"toolworlds": __version__, "python": platform.python_version(), "sqlite": SQLITE_VERSION}
    categories = {name: compiled.domain.category for name, compiled in recipe.domains.items()}
    with RunFolder.open(config.out, config, recipe.fingerprint, inputs, versions) as folder:
        works = folder.remaining(config.tasks, config.attempts)
        measured = read_trust(folder.path) is not None
        if not works and measured and published(folder, config, categories=categories):
            console.print(f"{folder.path} is complete: nothing is left to do.", highlight=False)
            return Exit.COMPLETE
        undone = _work(console, recipe, folder, works) if works else 0
        ledger = folder.ledger()
        records = (record for shard in folder.read_committed() for record in shard.records())
        write_trust(folder.path, measure(recipe.domains, recipe.rubrics, records, recipe.measured, recipe.measure_key))
        funnel = publish(folder, config, categories=categories)
        ledger.note("published", count=funnel.accepted)
        ledger.compact()
    _summary(console, config, folder.path, funnel)
    if undone:
        console.print(f"{undone} episodes stay undone; the same command resumes.", highlight=False)
    return Exit.INCOMPLETE if undone else Exit.COMPLETE


def _supported(config: RunConfig) -> None:
    if any(not player.base_url for player in models_of(config)):
        remedy = "Start one (engine/presets.toml has the commands) and say openai:MODEL@http://HOST:PORT/v1."
        raise BadInput("a run starts no model server itself: vllm: has none to ask", remedy=remedy)
    if config.runner == "ray" and in_ray_job() and not config.out.is_absolute():
        what = "a Ray job runs in a folder that is thrown away after it: the path must be absolute"
        raise BadInput(
            what, where="--out", remedy="For example --out /shared/runs/travel, on a disk that all nodes see."
        )


def _work(console: Console, recipe: Recipe, folder: RunFolder, works: list[Work]) -> int:
    """Do what is left; how many episodes stay undone."""
    total = sum(len(work.tasks) * len(work.attempts) for work in works)
    ledger = folder.ledger()
    ledger.note("started", count=total)
    console.print(f"{total} episodes to do for {', '.join(recipe.config.domains)}, into {folder.path}", highlight=False)
    first = True
    with RunProgress(console, total) as progress:

        def take(receipt: Receipt) -> None:
            nonlocal first
            if first and receipt.event == "episode":
                first = False
                ledger.note("first_journal_row", shard=receipt.shard)
            if receipt.event == "sealed":
                ledger.note("sealed", shard=receipt.shard)
            progress.take(receipt)

        undone = RUNNERS[recipe.config.runner](recipe, folder, works, take)
    ledger.note("rollouts_done", count=progress.done)
    return undone


def _summary(console: Console, config: RunConfig, path: Path, funnel: Funnel) -> None:
    """The funnel, and what to try next."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("step")
    for name in ("in", "kept", "dropped"):
        table.add_column(name, justify="right")
    table.add_column("why")
    for step in funnel.steps:
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(step.dropped.items(), key=lambda i: -i[1]))
        table.add_row(step.name, f"{step.came}", f"{step.kept}", f"{step.came - step.kept}", why)
    console.print(table)
    shown = _relative(path)
    console.print(
        f"\n{funnel.accepted} accepted and {funnel.rejected} rejected rows in {shown}/dataset\n\n"
        f"next:  toolworlds show {shown}\n"
        f"       toolworlds query funnel --run {shown}\n"
        f"       toolworlds replay {shown}",
        highlight=False,
    )


def _relative(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
