"""Rung `reach`: no tool is dead weight.

A tool that no plan calls is a distractor, which agents should meet: it is plausible when it works on what the intents
are about. One that shares no table with any planned tool belongs to another domain. (Travel has more tools than its
intents use today, so those are named and not refused.)
"""

from __future__ import annotations

from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject, steps_of


def reach(subject: Subject) -> Found:
    """Which tools plans use, and that the others are about the same things."""
    compiled = subject.compiled
    used = {step.tool for _, _, _, _, step, _ in steps_of(subject.domain)}
    tables = frozenset(compiled.shapes)
    about: frozenset[str] = frozenset().union(
        *((compiled.tools[name].reads | compiled.tools[name].writes) & tables for name in used)
    )
    refusals = []
    idle = []
    for i, tool in enumerate(subject.domain.tools):
        if tool.name in used:
            continue
        idle.append(tool.name)
        mine = (compiled.tools[tool.name].reads | compiled.tools[tool.name].writes) & tables
        if not mine & about:
            what = f"{tool.name} serves no intent, and no tool that does shares a table with it"
            remedy = "Write an intent that needs it, or take it out."
            refusals.append(Refusal(subject.at("tools.yaml", i), "reach", what, remedy))
    words = f"{len(used)} of {len(subject.domain.tools)} tools in plans"
    return Found(words + (f"; not in any: {', '.join(idle)}" if idle else ""), refusals)
