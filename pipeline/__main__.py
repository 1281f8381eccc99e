"""`python -m pipeline`: the same as the command `toolworlds`, for places where only the interpreter is at hand."""

from pipeline.cli import main

main()
