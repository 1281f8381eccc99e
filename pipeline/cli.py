"""`toolworlds`: the command line, and the only place that picks concrete classes.

Heavy libraries are imported inside commands, so that `--help` is instant. What a person did wrong is one message on
standard error and an exit code: 0 complete, 2 bad input, 3 incomplete but resumable, 4 verification failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import BadInput, Exit, Incomplete, ToolworldsError, Unverified

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Training data for agents from simulated tool domains: executed, verified, replayable.",
    epilog="Exit codes: 0 complete, 2 bad input, 3 incomplete (the same command resumes), 4 verification failed.",
)


def main() -> None:
    """The console command: our own errors become one message and an exit code, never a traceback."""
    try:
        app()
    except ToolworldsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(int(error.exit))
    except KeyboardInterrupt:  # before a command began
        sys.exit(int(Exit.INCOMPLETE))


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """A command of `app`. What ends it from outside gets our exit codes here, before typer gives it its own."""

    @wraps(function)
    def command(*arguments: Any, **options: Any) -> None:
        try:
            try:
                function(*arguments, **options)
            finally:
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise Incomplete("interrupted; what was finished is kept, and the same command resumes") from None
        except BrokenPipeError:  # the reader went away, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes at its end
            sys.exit(int(Exit.COMPLETE))

    return app.command()(command)


def _console() -> Console:
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:  # else rich ends the process, with an exit code of its own
            raise BrokenPipeError

    return Output(soft_wrap=False)


@_command
def generate(
    domain: Annotated[list[str] | None, typer.Option(help="A domain's name or folder; repeatable.")] = None,
    tasks: Annotated[
        int | None, typer.Option(help="Tasks of the whole run (default 200); raising it extends the run.")
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(help="Attempts at each task (default 2); raising it extends the run.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Everything drawn follows from it (default 0).")] = None,
    model: Annotated[
        str | None, typer.Option(help="Who acts: expert:mistakes=0.2 (default), or openai:MODEL@http://HOST/v1.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Who asks: scripted, or a model as in --model.")] = None,
    judge: Annotated[str | None, typer.Option(help="Who judges: program, or a model as in --model.")] = None,
    runner: Annotated[str | None, typer.Option(help="Where: local, or ray (in a job --out is absolute).")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes (default 1: in this process).")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder (default runs/<domain>).")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings; options override it.")] = None,
) -> None:
    """Make a dataset of verified trajectories. The same command resumes; on a complete run it says so."""
    from pipeline.generate import generate as run

    given: dict[str, Any] = {
        "domains": domain or None,
        "tasks": tasks,
        "attempts": attempts,
        "seed": seed,
        "agent": model,
        "user": user,
        "judge": judge,
        "runner": runner,
        "workers": workers,
        "out": out,
    }
    try:
        sys.exit(int(run(_console(), config, given)))
    except BrokenPipeError:
        raise Incomplete("nobody reads the output any more; the same command resumes") from None


@_command
def query(
    question: Annotated[str, typer.Argument(help="A named question, or one SELECT.")],
    run: Annotated[Path, typer.Option(help="The run's folder.")],
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",
) -> None:
    """Ask a run, with DuckDB. Tables: accepted, rejected, rows, calls, criteria, tasks, trust, funnel, ledger."""
    from pipeline.answers import print_answer
    from pipeline.storage.query import query as ask

    print_answer(_console(), ask(run, question), format)


@_command
def show(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    episode: Annotated[str | None, typer.Argument(help="An episode's id, or its first characters.")] = None,
    full: Annotated[bool, typer.Option("--full", help="The system prompt and long results too.")] = False,
) -> None:
    """Read one trajectory: the conversation, what changed, how it was judged. Without an id: the first accepted one."""
    from pipeline.show import show_row
    from pipeline.storage.dataset import read_rows

    found = []
    for row in read_rows(run):
        if episode is None or row["episode_id"].startswith(episode):
            found.append(row)
            if episode is None or len(found) == 2:
                break
    if len(found) != 1:
        what = (
            f"{'no' if not found else 'more than one'} episode's id begins with {episode!r}"
            if episode is not None
            else "the run has no row"
        )
        sql = "select episode_id, kind, passed, drop_reason from rows limit 20"
        raise BadInput(what, where=str(run), remedy=f'List some: toolworlds query "{sql}" --run {run}')
    show_row(_console(), found[0], full=full)


@_command
def replay(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    episode: Annotated[str | None, typer.Option(help="Only this episode (id or its first characters).")] = None,
) -> None:
    """Execute published rows again from the run's own inputs and compare every call, hash, message and verdict."""
    from pipeline.replay import replay as again

    console = _console()
    summary, problems = again(run, episode)
    for problem in problems[:50]:
        print(problem, file=sys.stderr)
    if len(problems) > 50:
        print(f"... and {len(problems) - 50} more", file=sys.stderr)
    console.print(summary, highlight=False)
    if problems:
        raise Unverified(f"{len(problems)} differences")


@_command
def check(
    domain: Annotated[str, typer.Argument(help="A domain's name, a folder, or all.")] = "all",
) -> None:
    """Climb the ladder that every domain must pass; each refusal names file, line, rung and remedy."""
    from pipeline.check import check_domain
    from pipeline.world import domain_folders, find_domain

    console = _console()
    folders = list(domain_folders().values()) if domain == "all" else [find_domain(domain)]
    refused = 0
    for folder in folders:
        refusals = check_domain(folder, _rung_line(console, folder.name))
        for refusal in refusals:
            print(refusal, file=sys.stderr)
        refused += bool(refusals)
        console.print(f"{folder.name}: {'refused' if refusals else 'passes'}", highlight=False)
    if refused:
        raise Unverified(f"{refused} of {len(folders)} domains refused")


def _rung_line(console: Console, name: str) -> Callable[[str, str], None]:
    def line(rung: str, found: str) -> None:
        console.print(f"  {name}  {rung:<14} {found}", highlight=False)

    return line


if __name__ == "__main__":
    main()
