"""Rung `budget`: a model can take the domain in, and what its tools answer, beside the work itself.

A training example is often cut at 32,768 tokens. The system prompt and the tools, which come before anything happens,
may take half of that; one tool's longest result an eighth, since a conversation holds several. Tokens are counted as
TOKEN characters each, which errs on the safe side for English and JSON. Texts have bounds, so that none is a stub and
none is an essay.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.types import canonical_json
from pipeline.check.refusal import Refusal
from pipeline.check.subject import Found, Subject
from pipeline.domain import Intent, Tool
from pipeline.rollout.loop import system_prompt
from pipeline.world import SqlEnvironment

RUNG = "budget"
TOKEN = 4  # characters
WINDOW = 32_768
READ_FIRST = WINDOW // 2
ONE_RESULT = WINDOW // 8
POLICY = (80, 1_500)  # words: a page or so
DESCRIPTION = (16, 600)  # characters of a tool's description
PARAMETER = (3, 300)  # characters of a parameter's description
REQUEST = (12, 800)  # characters of what a user says, slots included
WORDING = (12, 1_600)  # characters of what an agent says


def readable_in_time(subject: Subject) -> Found:
    """The domain's texts within their bounds, and all of them together within the budget."""
    refusals = [*_policy(subject), *_tools(subject)]
    for i, intent in enumerate(subject.domain.intents):
        refusals += _intent(subject, i, intent)
    for i, tool in enumerate(subject.domain.tools):
        size = subject.sizes.get(tool.name, 0)
        if size > ONE_RESULT * TOKEN:
            what = f"{tool.name}: a result of {size // TOKEN:,} tokens; at most {ONE_RESULT:,} fit beside the work"
            where = subject.at("tools.yaml", i, "returns")
            refusals.append(Refusal(where, RUNG, what, "Return fewer rows (LIMIT, a narrower search) or columns."))
    prompt, tools = _read_first(subject)
    if prompt + tools > READ_FIRST:
        what = (
            f"policy and tools are {prompt + tools:,} tokens together; at most {READ_FIRST:,} leave room for the work"
        )
        remedy = "Say less in policy.md and in the descriptions of tools and parameters, or have fewer tools."
        refusals.append(Refusal(subject.at("domain.yaml"), RUNG, what, remedy))
    longest = max(subject.sizes.values(), default=0) // TOKEN
    return Found(f"{prompt:,} tokens of policy, {tools:,} of tools, results up to {longest:,}", refusals)


def _read_first(subject: Subject) -> tuple[int, int]:
    """Tokens of the system prompt, and of the agent's tools."""
    world = subject.worlds[0]
    environment = SqlEnvironment(world)
    try:
        tools = canonical_json([tool.model_dump() for tool in environment.tools()])
    finally:
        environment.close()
    return len(system_prompt(subject.domain, world.today)) // TOKEN, len(tools) // TOKEN


def _policy(subject: Subject) -> Iterator[Refusal]:
    words = len(subject.domain.policy.split())
    if not POLICY[0] <= words <= POLICY[1]:
        what = f"the policy has {words:,} words; it is about a page: {POLICY[0]} to {POLICY[1]:,}"
        yield Refusal(
            subject.at("policy.md"), RUNG, what, "Write what an agent of this domain needs to know, and no more."
        )


def _tools(subject: Subject) -> Iterator[Refusal]:
    for i, tool in enumerate(subject.domain.tools):
        yield from _bounded(subject, i, tool, tool.description, DESCRIPTION, "its description", "description")
        for name, schema in tool.parameters.items():
            text = str(schema.get("description", ""))
            yield from _bounded(subject, i, tool, text, PARAMETER, f"the description of {name}", "parameters", name)


def _bounded(
    subject: Subject, i: int, tool: Tool, text: str, bounds: tuple[int, int], what: str, *path: str
) -> Iterator[Refusal]:
    if not bounds[0] <= len(text.strip()) <= bounds[1]:
        where = subject.at("tools.yaml", i, *path)
        said = f"{tool.name}: {what} has {len(text.strip()):,} characters, not {bounds[0]} to {bounds[1]}"
        yield Refusal(where, RUNG, said, "Say in a sentence what an agent must know to use it.")


def _intent(subject: Subject, i: int, intent: Intent) -> Iterator[Refusal]:
    said = (("phrasings", intent.phrasings), ("followups", intent.followups), ("pushes", intent.pushes))
    texts: list[tuple[tuple[str | int, ...], str, tuple[int, int]]] = [
        ((part, language, k), text, REQUEST)
        for part, ways in said
        for language, them in ways.items()
        for k, text in enumerate(them)
    ]
    texts += [
        (("says", language, part, k), text, WORDING)
        for language, says in intent.says.items()
        for part in ("propose", "report", "decline")
        for k, text in enumerate(getattr(says, part))
    ]
    for path, text, (least, most) in texts:
        if not least <= len(text.strip()) <= most:
            what = f"{intent.name}: {text[:60]!r} has {len(text.strip()):,} characters, not {least} to {most:,}"
            yield Refusal(
                subject.at("intents.yaml", i, *path), RUNG, what, "Say it as a person would, whole and brief."
            )
