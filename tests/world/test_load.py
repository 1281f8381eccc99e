"""A domain that does not hold is refused with the file and line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.world import compile_domain, find_domain, load_source, parse_source
from tests.world.small import HEADER, POPULATION, SCHEMA, files, tool, write

GUARDED = 'requires:\n  - {sql: "%s", otherwise: No.}'


def intent(part: str) -> dict[str, bytes]:
    """A domain with one intent of which `part` says something."""
    plain = {"kind": "kind: fulfil", "draw": "draw: {}", "facts": "facts: {}", "gold": "gold: []"}
    said = {**plain, part.partition(":")[0]: part}
    return files(intents="- {name: a_b, phrasings: {}, " + ", ".join(said.values()) + "}")


def taking(schema: str) -> dict[str, bytes]:
    """A domain whose tool takes one argument of this schema."""
    return files(tool("look", parameters="{x: " + schema + "}", returns="SELECT :x AS x"))


def refusal(parts: dict[str, bytes]) -> str:
    with pytest.raises(BadInput) as error:
        compile_domain(parse_source("small", parts))
    return str(error.value)


@pytest.mark.parametrize(
    ("parts", "line", "says"),
    [
        (files(tool("look") + "  colour: red\n"), "tools.yaml:5", "unknown key"),
        (files(tool("look", more="confirm: perhaps")), "tools.yaml:4", "valid boolean"),
        (files("- name: Look\n  description: A tool for tests.\n  returns: SELECT 1\n"), "tools.yaml:1", "pattern"),
        (files(tool("look") + tool("look")), "tools.yaml:5", "look is defined twice"),
        (files(header=HEADER + "rules: {R1: {by: agent, text: Be kind.}}\n"), "domain.yaml:6", "`violated:` SQL"),
        (files(header=HEADER + "compare:\n  boxes.colour: text\n"), "domain.yaml:7", "there is no column boxes.colour"),
        (files(header=HEADER + "compare: {boxes.label: rough}\n"), "domain.yaml:6", "compare"),
        (files(header=HEADER.replace("N-{n:03}", "N-{n}{n}")), "domain.yaml:5", "needs one {n}"),
        (files(header=HEADER.replace("N-{n:03}", "{n.__class__}")), "domain.yaml:5", "needs one {n}"),
        (
            files(population=POPULATION.replace("rows: [6, 6]", "rows: [6, 6]\n    each: {a: [1]}")),
            "population.yaml:3",
            "exactly one of rows, per, each",
        ),
        (files(population=POPULATION.replace("2026-03-31", "2026-02-31")), "population.yaml:1", "day is out of range"),
        (files(population=POPULATION.replace("2026-03-31", "2026-02-01")), "population.yaml:1", "before the first"),
        (files(population=POPULATION.replace("08:30:00", "8:30")), "population.yaml:1", "not a time of day"),
        (files(schema=SCHEMA + "CREATE TABLE a (x INTEGER PRIMARY KEY);"), "schema.sql", "a is not STRICT"),
        (files(schema=SCHEMA + "CREATE TABLE a (x INTEGER) STRICT;"), "schema.sql", "a has no primary key"),
        (files(schema=SCHEMA + "CREATE TABLE a (x INTEGER PRIMARY KEY, y REAL) STRICT;"), "schema.sql", "a.y is REAL"),
        (files(schema=SCHEMA + "CREATE TABLE a (x INTEGER PRIMARY KEY STRICT;"), "schema.sql:7", "syntax error"),
        (files(tool("look", more=GUARDED % "SELECT 1 FROM WHERE")), "tools.yaml:5", "syntax error"),
        (files(tool("look", more=GUARDED % "SELECT :x")), "tools.yaml:5", "unknown parameter :x"),
        (files(tool("look", parameters="{x: {type: string}}")), "tools.yaml:3", "'x' is never used"),
        (files(tool("look", parameters="{today: {type: string}}")), "tools.yaml:3", "'today' is the engine's"),
        (taking("{type: strange}"), "tools.yaml:3", "not a JSON Schema"),
        (taking("{$ref: 'file:///etc/passwd'}"), "tools.yaml:3", "$ref"),
        (taking("{type: string, pattern: '(a'}"), "tools.yaml:3", "not a JSON Schema"),
        (taking("{type: string, pattern: '((a{500}){500}){500}'}"), "tools.yaml:3", "not a JSON Schema"),
        (intent("kind: refuse"), "intents.yaml:1", "names the `rule:`"),
        (intent("draw: {a: {first: SELECT 1}}"), "intents.yaml:1", "declares unique: or accept:"),
        (intent("gold: [{a: {}, b: {}}]"), "intents.yaml:1", "a gold call is one"),
        (intent("facts: {x: asked}"), "intents.yaml:1", "does not say how"),
    ],
)
def test_an_error_names_file_and_line(parts: dict[str, bytes], line: str, says: str) -> None:
    text = refusal(parts)
    assert text.startswith(f"small/{line}: "), text
    assert says in text


def test_every_problem_of_a_file_is_listed_with_its_own_line() -> None:
    text = refusal(files(tool("look", more="confirm: perhaps\nactor: nobody") + tool("peek") + "  colour: red\n"))
    places = {line.split(": ")[0].removeprefix("small/tools.yaml:") for line in text.splitlines()}
    assert places == {"4", "5", "11"}, text


@pytest.mark.parametrize("name", ["domain.yaml", "schema.sql", "tools.yaml", "population.yaml", "intents.yaml"])
def test_a_missing_file_is_named_with_those_that_a_domain_has(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path, files())
    (folder / name).unlink()
    with pytest.raises(BadInput, match=f"{name} is missing") as error:
        load_source(folder)
    assert "tools.yaml" in str(error.value) and str(folder) in str(error.value)


def test_a_policy_may_be_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path, files())
    (folder / "policy.md").unlink()
    assert load_source(folder).domain.policy == ""


def test_the_version_follows_every_file(tmp_path: Path) -> None:
    parts = files()
    versions = {parse_source("small", parts).domain.version}
    for name in parts:
        changed = {**parts, name: parts[name] + (b"\n-- more\n" if name.endswith("sql") else b"\n# more\n")}
        versions.add(parse_source("small", changed).domain.version)
    assert len(versions) == 1 + len(parts)
    assert load_source(write(tmp_path, parts)).domain.version in versions


def test_an_unknown_name_and_a_folder_that_is_no_domain_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no domain 'nowhere'"):
        find_domain("nowhere")
    with pytest.raises(BadInput, match=r"holds no domain\.yaml"):
        find_domain(str(tmp_path))
    assert find_domain(str(write(tmp_path, files()))) == tmp_path / "small"


def test_what_a_tool_reads_and_writes_follows_from_its_sql() -> None:
    more = """
    requires:
      - {sql: SELECT size < 9 FROM boxes, otherwise: No.}
    effects:
      - DELETE FROM boxes WHERE box_id = 1
    """
    found = compile_domain(parse_source("small", files(tool("clear", more=more)))).tools["clear"]
    assert "boxes" in found.reads and "boxes" in found.writes
    look = compile_domain(parse_source("small", files(tool("look", returns="SELECT body FROM notes")))).tools["look"]
    assert (look.reads, look.writes) == (frozenset({"notes"}), frozenset())
