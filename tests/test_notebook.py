"""The notebook runs from top to bottom on what a run leaves behind, whatever became of its episodes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.publish import publish
from tests.storage import builders

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "inspect_run.ipynb"


def execute(run: Path) -> tuple[int, str]:
    """How many plots the notebook draws of a run, and all text and HTML that it shows."""
    notebook = nbformat.read(NOTEBOOK, 4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    asyncio.run(client.async_execute(env=os.environ | {"RUN": str(run), "PYTHONPATH": str(ROOT)}))
    shown: list[dict[str, Any]] = [o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", ())]
    return sum("image/png" in data for data in shown), "".join(str(data.get("text/html", "")) for data in shown)


def test_the_notebook_shows_numbers_plots_and_two_conversations_of_a_run(small_run: Path) -> None:
    plots, text = execute(small_run)
    assert plots >= 7
    assert "tasks with an accepted row" in text
    accepted, rejected = text.split("<h2>Accepted</h2>")[1].split("<h2>Rejected</h2>")
    assert "Accepted: the final state is a right one" in accepted
    assert "Rejected by the filter" in rejected
    for conversation in (accepted, rejected):
        assert "Expected change" in conversation
        assert "→ result" in conversation


@pytest.mark.parametrize("state", [None, False], ids=["nothing was done", "everything was rejected"])
def test_the_notebook_bears_a_run_without_an_accepted_row(tmp_path: Path, state: bool | None) -> None:
    def fails(task: int, attempt: int) -> Any:
        return builders.record(task, attempt, state=False, drop_reason="state")

    with builders.opened(tmp_path / "run", tasks=4) as folder:
        builders.fill(folder, 4, 2, fails, lambda task: state is None)
        publish(folder, builders.config(tasks=4), categories={"toy": "test"})
    text = execute(tmp_path / "run")[1]
    accepted = text.split("<h2>Accepted</h2>")[1].split("<h2>Rejected</h2>")[0]
    assert "There is none in this run." in accepted


def test_the_notebook_defines_nothing_and_is_committed_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        assert not cell.get("outputs"), cell.source
        assert cell.get("execution_count") is None
        assert cell.cell_type == "markdown" or not any(word in cell.source for word in ("def ", "class ", "lambda"))
