"""Tasks, gold first: drawn from a world, executed for real, then told as a story."""

from pipeline.tasks.personas import load_personas
from pipeline.tasks.synthesize import TaskMaker

__all__ = ["TaskMaker", "load_personas"]
