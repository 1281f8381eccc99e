"""The card of a run, README.md: what the rows are, how they came about, and how to ask questions of them."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from pipeline.config import RunConfig
from pipeline.storage.funnel import Funnel
from pipeline.storage.query import Answer

COLUMNS = {
    "episode_id fingerprint domain category task_id kind difficulty language persona agent_spec "
    "attempt attempts passes seed split": "what was asked; `passes` of `attempts` passed; `split` is by whole domain",
    "agent user judge": "who took part: `expert`, `scripted`, `program`, or a model's name",
    "status stop_reason": "how the episode ended",
    "passed score drop_reason attribution": "the verdict, which filter dropped the row and whose fault it is "
    "(NULL: accepted)",
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


def card(
    name: str, config: RunConfig, fingerprint: str, versions: dict[str, str], funnel: Funnel, trust: Answer
) -> str:
    """The card's text. It holds no time, host or worker: the same run has the same card.

    `trust`: the answer to the named question of that name.
    """
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

## Can it be trusted?

A row says "passed" when a program said so, so the program is examined too. *Verifiers*: for each task, right runs were
made wrong on purpose (mutants, which must fail) and right in another way (variants, which must pass). *Hand-checked*:
conversations that people wrote to deceive, with the verdict each should get. *Audit*: random calls, faults among them,
and what contradicts itself. *Users*: errors of the simulated user in the run's own conversations. Intervals are
Wilson's, 95 %.

{_trust_table(trust)}

## Columns

`dataset/accepted` and `dataset/rejected` have one schema; both are partitioned by domain.

| columns | meaning |
|---|---|
{columns}

## Questions

```
toolworlds query funnel --run .
toolworlds query verifiers --run .
toolworlds query "SELECT kind, count(*) FROM accepted GROUP BY kind" --run .
```

## Licence

Worlds, persons and conversations are synthetic. What the program wrote is under the licence of the Toolworlds code
(Apache-2.0). Where a model took part as agent, user or judge, the terms of that model hold for what it wrote.
"""


def _trust_table(trust: Answer) -> str:
    """The figures as Markdown; classes of which nothing was found share a line."""
    rows = [dict(zip(trust.columns, row, strict=True)) for row in trust.rows]
    lines = ["| part | domain | finding | found | out of | rate | interval |", "|---|---|---|---:|---:|---:|---|"]
    for (part, domain), group in groupby(rows, key=lambda row: (row["part"], row["domain"])):
        shown = list(group)
        none = [row for row in shown if row["found"] == 0] if part in ("audit", "users") else []
        lines += [_trust_line(row) for row in shown if row not in none]
        if none:
            findings = "none of " + ", ".join(row["finding"].replace("_", " ") for row in none)
            lines.append(_trust_line({**none[0], "part": part, "domain": domain, "finding": findings}))
    return "\n".join(lines)


def _trust_line(row: dict[str, Any]) -> str:
    if row["found"] is None:
        return f"| {row['part']} | {row['domain']} | {row['finding']} | | | | |"
    interval = "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
    rate = "" if row["rate"] is None else f"{row['rate']:.4f}"
    cells = [row["part"].replace("_", "-"), row["domain"], row["finding"], row["found"], row["out_of"], rate, interval]
    return f"| {' | '.join(map(str, cells))} |"
