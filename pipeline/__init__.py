"""The data side: domains, worlds, tasks, rollouts, verdicts and the datasets made of them."""

__version__ = "0.1.0"
