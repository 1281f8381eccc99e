"""Runs hostile domains, each in a process of its own with little memory and little time, and tells what came of them.

A program and no test module: `python -m tests.world.hostile` prints one JSON object, case → [what came of it, text,
seconds of processor time, MiB of memory more than at the start]. Killed or stuck, a case says so; the rest go on.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import BadInput, DomainDefect
from pipeline.types import Change
from pipeline.wording import compile_template, render
from pipeline.world import FinalState
from pipeline.world.yaml_file import parse_yaml
from tests.world.small import POPULATION, SCHEMA, made, opened, tool

SECONDS = 20  # of processor time, then the kernel ends it
MEMORY = 1 << 30  # bytes of address space beyond what the process had at the start
NUMBERS = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t{limit})"
BOMB = NUMBERS.format(limit="") + " SELECT max(x) FROM t"
HUGE = NUMBERS.format(limit=" LIMIT 1000000")


def call(text: str, *, arguments: dict[str, object] | None = None, **parts: str) -> str:
    outcome = opened(text, **parts).call("evil", arguments or {})
    return outcome.result or outcome.error or ""


def result(sql: str, many: bool = False) -> str:
    return call(tool("evil", returns=json.dumps({"many": sql}) if many else json.dumps(sql)))


def guard(sql: str) -> str:
    return call(tool("evil", more=f"requires:\n  - {{sql: {json.dumps(sql)}, otherwise: No.}}"))


def effect(sql: str, schema: str = SCHEMA) -> str:
    return call(tool("evil", more=f"effects:\n  - {json.dumps(sql)}"), schema=schema)


def check(sql: str) -> str:
    with FinalState(made(), Change()) as state:
        return str(state.first_row(sql))


def populated(old: str, new: str) -> str:
    assert old in POPULATION
    return str(len(made(population=POPULATION.replace(old, new)).image))


def worded(source: str, **values: object) -> str:
    return render(source, {"x": "x" * 1000, "rows": [{"a": i} for i in range(200)], **values}, loops=True)


CASES: dict[str, Callable[[], str]] = {
    "recursion without end in a guard": lambda: guard(BOMB),
    "recursion without end in a result": lambda: result(BOMB),
    "recursion without end in an effect": lambda: effect("DELETE FROM notes WHERE body < (" + BOMB + ")"),
    "recursion without end in a view": lambda: call(
        tool("evil", returns="SELECT n FROM v"), schema=SCHEMA + f"CREATE VIEW v (n) AS {BOMB};"
    ),
    "recursion without end in a trigger": lambda: effect(
        "DELETE FROM notes",
        SCHEMA + f"CREATE TRIGGER t AFTER DELETE ON notes BEGIN UPDATE boxes SET size = (SELECT n FROM v); END;\n"
        f"CREATE VIEW v (n) AS {BOMB};",
    ),
    "recursion without end in a check": lambda: check(BOMB),
    "recursion without end in a population": lambda: populated(
        "{choose: [red, green, blue]}", json.dumps({"sql": BOMB})
    ),
    "recursion that yields nothing": lambda: result(
        NUMBERS.format(limit="") + " SELECT x FROM t WHERE x < 0", many=True
    ),
    "a cross join": lambda: result(
        "SELECT count(*) FROM notes a, notes b, notes c, notes d, notes e, notes f, notes g, notes h, notes i, notes j"
    ),
    "rows written without end": lambda: effect(
        f"INSERT INTO boxes SELECT x + 100, 'x', 1 FROM ({NUMBERS.format(limit='')} SELECT x FROM t)"
    ),
    "fat rows written": lambda: effect(
        f"INSERT INTO boxes SELECT x + 100, printf('%200000d', x), 1 "
        f"FROM ({NUMBERS.format(limit=' LIMIT 3000')} SELECT x FROM t)"
    ),
    "a trigger that fires itself": lambda: effect(
        "UPDATE boxes SET size = 1",
        SCHEMA + "CREATE TRIGGER t AFTER UPDATE ON boxes BEGIN UPDATE "
        "boxes SET size = size + 1 WHERE box_id = NEW.box_id; END;",
    ),
    "a million rows": lambda: result(HUGE + " SELECT x FROM t", many=True),
    "a million rows sorted": lambda: result(HUGE + " SELECT x FROM t ORDER BY -x", many=True),
    "fat rows sorted": lambda: result(
        NUMBERS.format(limit="") + " SELECT printf('%200000d', x) AS y FROM t ORDER BY y", many=True
    ),
    "a wide printf": lambda: result("SELECT printf('%2000000000d', 1) AS x"),
    "a printf as wide as an argument says": lambda: result("SELECT printf('%*d', 2000000000, 1) AS x"),
    "text doubled without end": lambda: result(
        "WITH RECURSIVE t(x) AS (SELECT 'ab' UNION ALL SELECT x || x FROM t) SELECT max(length(x)) AS n FROM t"
    ),
    "replace that grows": lambda: result(
        "SELECT length(replace(replace(replace(printf('%9999d', 1), ' "
        "', '          '), ' ', '          '), ' ', '          ')) AS n"
    ),
    "group_concat of everything": lambda: result(HUGE + " SELECT length(group_concat(x, '----------')) AS n FROM t"),
    "json of everything": lambda: result(HUGE + " SELECT length(json_group_array(x)) AS n FROM t"),
    "zeroblob": lambda: result("SELECT length(zeroblob(2000000000)) AS n"),
    "hex of hex": lambda: result("SELECT length(hex(hex(hex(hex(printf('%99999d', 1)))))) AS n"),
    "a slow search in text": lambda: result(
        NUMBERS.format(limit=" LIMIT 2000") + ", s(a) AS (SELECT printf('%240000d', 1)) SELECT sum(instr(s.a "
        "|| x, printf('%120000d', 1) || 'y')) AS n FROM t, s"
    ),
    "a slow pattern": lambda: result(
        NUMBERS.format(limit=" LIMIT 100000")
        + ", s(a) AS (SELECT printf('%240000d', 1)) SELECT sum((s.a || x) LIKE '%' "
        "|| printf('%45d', 1) || 'y' || printf('%45d', 1) || '%') AS n FROM t, s"
    ),
    "one result too large": lambda: result("SELECT printf('%99999d', 1) AS x"),
    "deep JSON": lambda: result("SELECT json_extract(printf('%.*c', 100000, '['), '$') AS x"),
    "a pattern that backtracks": lambda: call(
        tool("evil", parameters="{x: {type: string, pattern: '^(a+)+$'}}", returns="SELECT length(:x) AS n"),
        arguments={"x": "a" * 10_000 + "!"},
    ),
    "a pattern that backtracks and fits": lambda: call(
        tool("evil", parameters="{x: {type: string, pattern: '^(a|a)*(a+)+$'}}", returns="SELECT length(:x) AS n"),
        arguments={"x": "a" * 10_000},
    ),
    "an enormous pattern": lambda: call(
        tool(
            "evil",
            parameters="{x: {type: string, pattern: '(((a{99}){99}){99}){99}'}}",
            returns="SELECT length(:x) AS n",
        ),
        arguments={"x": "a"},
    ),
    "an axis without end": lambda: populated("rows: [6, 6]", "each: {k: {range: [0, 1000000000000]}}"),
    "axes that multiply": lambda: populated(
        "rows: [6, 6]", "each: {a: {range: [0, 999]}, b: {range: [0, 999]}, c: {range: [0, 999]}}"
    ),
    "rows without end": lambda: populated("rows: [6, 6]", "rows: [1000000000, 1000000000]"),
    "a number of a million digits as id": lambda: populated(
        'note_id: {id: "N-{n:03}"}', 'note_id: {id: "{n:0999999999}"}'
    ),
    "a key of an object's inside": lambda: populated(
        'note_id: {id: "N-{n:03}"}', 'note_id: {id: "{n.__class__.__mro__}"}'
    ),
    "aliases upon aliases": lambda: str(
        parse_yaml(
            "a: &a [x, x]\n"
            + "".join(
                f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefghijk", "bcdefghijkl", strict=True)
            ),
            "f",
        )[0]
    )[:99],
    "brackets without end": lambda: str(parse_yaml("[" * 500_000, "f")),
    "a template that looks inside": lambda: worded("{{ ''.__class__ }}"),
    "a template that looks inside by a filter": lambda: worded("{{ x | attr('__class__') }}"),
    "a template that looks inside by an index": lambda: worded("{{ x['__class__'] }}"),
    "a template that calls": lambda: worded("{{ x.upper() }}"),
    "a template that loops over numbers": lambda: worded("{% for i in range(10 ** 9) %}x{% endfor %}"),
    "a template that loops in loops": lambda: worded(
        "{% for a in rows %}{% for b in rows %}{% for c in rows %}{% "
        "for d in rows %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}"
    ),
    "a template that formats widely": lambda: worded("{{ '%999999999d' % 1 }}"),
    "a template that multiplies text": lambda: worded("{{ 'x' * 1000000000 }}"),
    "a template that computes": lambda: worded("{{ 9 ** 9 ** 9 }}"),
    "a template that pads widely": lambda: worded("{{ 1 | pad(999999999) }}"),
    "a template that includes": lambda: worded("{% include '/etc/passwd' %}"),
    "a template that imports": lambda: worded("{% import 'x' as y %}"),
    "a template that defines": lambda: worded("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
    "a template that is too long": lambda: str(compile_template("{{ x }}" * 10_000)),
    "views that read each other": lambda: call(
        tool("evil", returns="SELECT * FROM a"),
        schema=SCHEMA + "CREATE VIEW a AS SELECT * FROM b;\nCREATE VIEW b AS SELECT * FROM a;",
    ),
}


def measured(case: str, answer: Path) -> None:
    """Run one case in a child under limits; what came of it is written into a file."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        kind, text = "answer", CASES[case]()
    except BadInput as error:
        kind, text = "refused", str(error)
    except DomainDefect as error:
        kind, text = "defect", str(error)
    except BaseException as error:  # whatever else comes out is a hole, and the test says so
        kind, text = type(error).__name__, str(error)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    more = max(0, after.ru_maxrss - before.ru_maxrss) / 1024
    answer.write_text(json.dumps([kind, text[:400], round(seconds, 2), round(more)]))


def main() -> None:
    made()  # what is loaded once is not the case's
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            answer = Path(folder) / "answer"
            answer.unlink(missing_ok=True)
            child = os.fork()
            if not child:
                try:
                    measured(case, answer)
                finally:
                    os._exit(0)
            _, status = os.waitpid(child, 0)
            found[case] = json.loads(answer.read_text()) if answer.exists() else [f"killed {status}", "", SECONDS, 0]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
