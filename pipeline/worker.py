"""A worker process of a local run: `python -m pipeline.worker RUN INDEX WORKERS TASKS ATTEMPTS`.

Its parent holds the run folder; it inherits that lock, so a new command cannot start while a worker still lives. It
works on every WORKERS-th piece of the work list and writes receipts as JSON lines to its standard output. When its
parent dies, its standard input ends, and so does it: at once, since nothing that it does needs an orderly end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import orjson

from pipeline.cast import open_cast
from pipeline.errors import Exit, ToolworldsError
from pipeline.recipe import Recipe
from pipeline.stages import Receipt, Worker
from pipeline.storage.shards import RunFolder
from pipeline.storage.work import Work


def main(arguments: list[str]) -> int:
    """Work, and answer with an exit code; what went wrong is written to standard error."""
    run, index, workers, tasks, attempts = Path(arguments[0]), *map(int, arguments[1:])
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        folder = RunFolder.attach(run)
        recipe = Recipe(folder.config, folder.inputs())
        mine = folder.remaining(tasks, attempts)
        mine = [work for work in mine if work.shard % workers == index]
        undone = asyncio.run(_work(recipe, folder, mine))
    except ToolworldsError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit
    return Exit.INCOMPLETE if undone else Exit.COMPLETE


async def _work(recipe: Recipe, folder: RunFolder, works: list[Work]) -> int:
    async with open_cast(recipe) as cast:
        return await Worker(recipe, folder, _report, cast).run(works)


def _report(receipt: Receipt) -> None:
    os.write(1, orjson.dumps(list(receipt)) + b"\n")


def _die_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: its lock, held by a daemon thread, is a fatal error when Python shuts down
        pass
    os._exit(Exit.INCOMPLETE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
