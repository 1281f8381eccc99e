"""A world follows from a domain's files and a seed, in any process; what cannot be populated is told with its line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import BadInput, DomainDefect
from pipeline.identity import content_hash
from pipeline.types import Change
from pipeline.world import FinalState, World, populate
from tests.world.small import HEADER, POPULATION, SCHEMA, compiled, made

ROOT = Path(__file__).resolve().parents[2]
ONE = "CREATE TABLE one (k INTEGER PRIMARY KEY, v TEXT, w INTEGER) STRICT;\n"
CLOCK = (
    "clock: {days: [2026-03-01, 2026-03-31]}\nvocabulary:\n  city: "
    "[{name: Rome, code: 39}, {name: Oslo, code: 47}]\n  word: [aa, bb]\n"
)
KEY = 'k: {sql: "SELECT coalesce(max(k), 0) + 1 FROM one"}'


def one(columns: str, rows: str = "rows: [40, 40]", *, more: str = "", seed: int = 5) -> World:
    """A world of one table whose columns v and w are made so."""
    population = f"{CLOCK}tables:\n  one:\n    {rows}\n    columns: {{{KEY}, {columns}}}\n{more}"
    return populate(compiled(schema=SCHEMA + ONE, population=population), seed)


def cells(world: World, column: str = "v", table: str = "one") -> list[object]:
    with FinalState(world, Change()) as state:
        return [row[column] for row in state.rows(f"SELECT {column} FROM {table} ORDER BY 1", {}, 1000)]


def rows(world: World) -> list[dict[str, object]]:
    with FinalState(world, Change()) as state:
        return state.rows("SELECT * FROM one ORDER BY k", {}, 1000)


def test_a_seed_gives_the_same_bytes_in_every_process(toy: Path) -> None:
    program = (
        "from pathlib import Path; from pipeline.world import *; from pipeline.identity import content_hash\n"
        f"w = populate(compile_domain(load_source(Path({str(toy)!r}))), 7)\n"
        "print(w.state, content_hash(w.image), content_hash(w.plain_image), w.today, w.next_ids)"
    )
    told = set()
    for seed in ("0", "1", "31337"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        told.add(
            subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
            ).stdout
        )
    assert len(told) == 1


def test_other_seeds_give_other_worlds() -> None:
    domain = compiled()
    worlds = [populate(domain, seed) for seed in range(12)]
    assert len({world.state for world in worlds}) == 12
    assert len({world.today for world in worlds}) > 3
    assert all("2026-03-01" <= world.today <= "2026-03-31" for world in worlds)


def test_the_state_of_a_world_is_a_hash_of_every_cell() -> None:
    plain = made()
    other = made(population=POPULATION.replace("Hello.", "Hello!"))
    assert plain.state != other.state
    assert made().state == plain.state
    assert content_hash(made().image) == content_hash(plain.image)


def test_rows_that_nobody_ordered_may_come_in_any_order_and_the_world_is_the_same() -> None:
    domain = compiled()
    assert populate(domain, 3).state == populate(domain, 3, reverse=True).state


@pytest.mark.parametrize(
    ("column", "fits"),
    [
        ("v: {const: x}", lambda v, r: v == "x"),
        ("v: {choose: [a, b]}", lambda v, r: v in ("a", "b")),
        ("v: {choose: {a: 1, b: 0}}", lambda v, r: v == "a"),
        ('v: {id: "X-{n:03}"}', lambda v, r: v == f"X-{r['k']:03}"),
        ("v: {date: [-3, 3]}", lambda v, r: len(v) == 10 and v.startswith("2026-0")),
        ("v: {pick: word}", lambda v, r: v in ("aa", "bb")),
        ("v: {person: full}", lambda v, r: " " in v),
        ("v: {phone: '+1 555 ####'}", lambda v, r: v.startswith("+1 555 ") and v[-4:].isdigit()),
        ("w: {int: [1, 9], step: 4}", lambda v, r: r["w"] in (1, 5, 9)),
        ("w: {const: 7}, v: {text: 'No. {{ w }}'}", lambda v, r: v == "No. 7"),
        ("w: {int: [1, 3]}, v: {sql: \"SELECT 'v' || :w\"}", lambda v, r: v == f"v{r['w']}"),
        ("v: {sql: 'SELECT :today'}", lambda v, r: v.startswith("2026-03")),
        ("v: {choose: ['null', x]}", lambda v, r: v in (None, "x")),
    ],
)
def test_each_generator_makes_what_it_says(column: str, fits) -> None:
    made_rows = rows(one(column))
    assert len(made_rows) == 40
    assert all(fits(row["v"], row) for row in made_rows)
    assert made_rows == rows(one(column)), "and the same again"


def test_weights_and_bounds_are_kept() -> None:
    values = cells(one("v: {choose: {a: 9, b: 1}}", "rows: [400, 400]"))
    assert 20 < values.count("b") < 70
    numbers = {row["w"] for row in rows(one("w: {int: [1, 3]}"))}
    assert numbers == {1, 2, 3}
    sizes = {len(cells(one("v: {const: x}", "rows: [2, 4]", seed=seed))) for seed in range(20)}
    assert sizes == {2, 3, 4}


def test_addresses_are_made_of_names_and_never_twice() -> None:
    world = one("v: {email: name}, w: {const: 1}", "rows: [300, 300]\n    also: {name: {person: full}}")
    found = cells(world)
    assert len(set(found)) == 300
    assert all("@" in str(address) and str(address).isascii() for address in found)


def test_one_row_for_each_combination_and_parts_of_entries_are_bound() -> None:
    world = one(
        "v: {text: '{{ c.name }}{{ n }}'}, w: {sql: 'SELECT :c_code'}", "each: {c: vocabulary.city, n: {range: [1, 3]}}"
    )
    assert cells(world) == sorted(f"{c}{n}" for c in ("Rome", "Oslo") for n in (1, 2, 3))
    assert set(cells(world, "w")) == {39, 47}


def test_rows_per_parent_take_its_cells() -> None:
    world = made()
    with FinalState(world, Change()) as state:
        assert state.rows("SELECT box_id FROM notes ORDER BY 1", {}, 99) == state.rows(
            "SELECT box_id FROM boxes ORDER BY 1", {}, 99
        )


def test_a_refused_row_is_drawn_again_and_left_out_in_the_end() -> None:
    schema = SCHEMA + "CREATE TABLE one (k INTEGER PRIMARY KEY, v TEXT UNIQUE, w INTEGER CHECK (w > 3)) STRICT;\n"
    text = (
        f"{CLOCK}tables:\n  one:\n    rows: [30, 30]\n    when_refused: redraw\n "
        f"   columns: {{{KEY}, v: {{choose: [a, b, c]}}, w: {{int: [1, 9]}}}}\n"
    )
    assert cells(populate(compiled(schema=schema, population=text), 1)) == ["a", "b", "c"]
    few = text.replace("rows: [30, 30]", "rows: [3, 3]")
    assert [len(cells(populate(compiled(schema=schema, population=few), seed))) for seed in range(8)] == [3] * 8
    with pytest.raises(BadInput, match="constraint failed"):
        populate(compiled(schema=schema, population=text.replace("    when_refused: redraw\n", "")), 1)


def test_references_point_to_rows_that_fit() -> None:
    text = POPULATION + f"  one:\n    rows: [20, 20]\n    columns: {{{KEY}, w: {{ref: boxes, where: size > 10}}}}\n"
    made_world = populate(compiled(schema=SCHEMA + ONE, population=text), 2)
    with FinalState(made_world, Change()) as state:
        assert state.first_row("SELECT count(*) FROM one JOIN boxes ON w = box_id WHERE size > 10") == (20,)


def test_statements_after_the_tables_see_them() -> None:
    world = one("v: {const: x}", more="after:\n  - UPDATE one SET w = k * 2\n")
    assert all(row["w"] == 2 * row["k"] for row in rows(world))


def test_ids_go_on_after_the_largest_of_their_form() -> None:
    schema = SCHEMA + "CREATE TABLE tags (tag TEXT PRIMARY KEY) STRICT;\n"
    header = HEADER.replace("ids: {", 'ids: {tags: "T{n}x", ')
    text = POPULATION + '  tags: {each: {t: [T3x, T12x, T99, odd]}, columns: {tag: {sql: "SELECT :t"}}}\n'
    assert populate(compiled(schema=schema, header=header, population=text), 1).next_ids == {"notes": 7, "tags": 13}


@pytest.mark.parametrize(
    ("column", "line", "says"),
    [
        ("v: {sql: SELECT :nothing}", 10, "v"),
        ("v: {parent: shelf}", 10, "there is no 'shelf'"),
        ("v: {email: name}", 10, "there is no 'name'"),
        ("v: {text: '{{ nobody }}'}", 10, "nobody"),
        ("w: {const: many}", 6, "cannot store TEXT"),
        ("w: {int: [0, 99999999999999999999999]}", 6, "too large"),
        ("v: {pick: nothing}", 10, "pick cannot be understood"),
        ("v: {ref: nothing}", 10, "ref cannot be understood"),
        ("v: {ref: boxes}", 6, "no row of boxes fits"),
        ("v: {choose: []}", 10, "no choices"),
        ("w: {int: [9, 1]}", 10, "low, high"),
        ("v: {person: middle}", 10, "full, first or last"),
        ("v: {const: a, choose: [b]}", 10, "exactly one of"),
        ("w: {int: [1, 2], stride: 3}", 10, "unknown key 'stride'"),
        ("z: {const: a}", 6, "one has no column z"),
        ("v: {sql: PRAGMA user_version}", 6, "not allowed in a domain"),
        ("v: {sql: SELECT random()}", 6, "function random()"),
    ],
)
def test_a_column_that_cannot_be_made_is_told_with_its_line(column: str, line: int, says: str) -> None:
    population = f"{CLOCK}tables:\n  one:\n    rows: [3, 3]\n    columns:\n      {KEY}\n      {column}\n"
    with pytest.raises(BadInput) as error:
        populate(compiled(schema=SCHEMA + ONE, population=population), 1)
    assert error.value.where == f"small/population.yaml:{line}", str(error.value)
    assert says in error.value.what


def test_an_unknown_table_parent_or_axis_is_told_with_its_line() -> None:
    for text, line, says in (
        ("  two: {rows: [1, 1], columns: {k: {const: 1}}}", 6, "no table two"),
        ("  one: {per: {two: {1: 1}}, columns: {k: {const: 1}}}", 6, "no table two"),
        ("  one: {each: {a: vocabulary.none}, columns: {k: {const: 1}}}", 6, "axis a"),
    ):
        with pytest.raises(BadInput) as error:
            populate(compiled(schema=SCHEMA + ONE, population=f"{CLOCK}tables:\n{text}\n"), 1)
        assert error.value.where == f"small/population.yaml:{line}" or error.value.where.endswith(":5"), str(
            error.value
        )
        assert says in error.value.what


def test_an_invariant_that_does_not_hold_at_the_end_is_a_defect_with_its_name_and_seed() -> None:
    header = HEADER + "invariants:\n  - {name: never red, sql: SELECT box_id FROM boxes WHERE label = 'red'}\n"
    with pytest.raises(DomainDefect, match=r"seed 1: .*'never red'"):
        made(header=header, population=POPULATION.replace("[red, green, blue]", "[red]"))
