"""The card of a run, README.md: what the rows are, how they came about, and how to ask questions of them."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.storage.funnel import Funnel

COLUMNS = {
    "episode_id fingerprint domain category task_id kind difficulty language persona agent_spec "
    "attempt attempts passes seed split": "what was asked; `passes` of `attempts` passed; `split` is by whole domain",
    "agent user judge": "who took part: `expert`, `scripted`, `program`, or a model's name",
    "status stop_reason": "how the episode ended",
    "passed score drop_reason": "the verdict, and which filter dropped the row (NULL: accepted)",
    "n_turns n_calls n_faults prompt_tokens completion_tokens": "sizes",
    "messages tools": "JSON in the OpenAI chat format",
    "calls": "every executed call: arguments, result or error, and a hash of the state after it",
    "criteria": "each criterion of the rubric with choice, score, reason and evidence; NULL when unscored",
    "trainable": "per message: may a trainer take it as a target",
    "expected_change actual_change": "JSON of inserts, updates, deletes against the start",
    "domains": "the world: version, seed, state hashes before and after",
    "mistakes": "mistakes that the agent made on purpose",
    "provenance": "JSON: code version, input hash, models, sampling",
}


def card(name: str, config: RunConfig, fingerprint: str, versions: dict[str, str], funnel: Funnel) -> str:
    """The card's text. It holds no time, host or worker: the same run has the same card."""
    made = ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) or "unknown versions"
    funnel_rows = "\n".join(
        f"| {step.name} | {step.unit} | {step.came} | {step.kept} | "
        + (", ".join(f"{reason} {count}" for reason, count in sorted(step.dropped.items())) or "none")
        + " |"
        for step in funnel.steps
    )
    columns = "\n".join(
        f"| {', '.join(f'`{column}`' for column in names.split())} | {what} |" for names, what in COLUMNS.items()
    )
    return f"""# {name}: tool-use trajectories

{funnel.accepted} accepted and {funnel.rejected} rejected trajectories in {", ".join(config.domains)}. An agent works
for a simulated user through tools over a real, small database. A program compared every final state with the one that
the task asks for. Every row can be replayed.

* agent `{config.agent}`, user `{config.user}`, judge `{config.judge}`, language `{config.language}`
* seed {config.seed}, {config.tasks} tasks × {config.attempts} attempts; fingerprint `{fingerprint}`
* made by {made}

| step | unit | in | kept | dropped |
|---|---|---:|---:|---|
{funnel_rows}

## Columns

`dataset/accepted` and `dataset/rejected` have one schema; both are partitioned by domain.

| columns | meaning |
|---|---|
{columns}

## Questions

```
toolworlds query funnel --run .
toolworlds query "SELECT kind, count(*) FROM accepted GROUP BY kind" --run .
```

## Licence

Worlds, persons and conversations are synthetic. What the program wrote is under the licence of the Toolworlds code
(Apache-2.0). Where a model took part as agent, user or judge, the terms of that model hold for what it wrote.
"""
