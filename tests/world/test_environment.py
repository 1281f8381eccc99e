"""A call happens whole or not at all, and says what came of it."""

from __future__ import annotations

import orjson
import pytest

from pipeline.errors import DomainDefect
from pipeline.types import Change
from pipeline.world import FinalState, SqlEnvironment, World
from pipeline.world.access import MAX_ARGUMENT, MAX_ROWS
from pipeline.world.change import EMPTY_HASH
from pipeline.world.environment import TICK
from tests.world.small import HEADER, SCHEMA, compiled, made, opened, tool

TOOLS = (
    tool(
        "resize",
        parameters="{box_id: {type: integer}, size: {type: integer}}",
        returns="SELECT box_id, size FROM boxes WHERE box_id = :box_id",
        more="""
         requires:
           - {sql: SELECT 1 FROM boxes WHERE box_id = :box_id, otherwise: No such box.}
           - {sql: SELECT :size <> 13, otherwise: Not thirteen.}
         effects:
           - INSERT INTO notes VALUES (new_id('notes'), :box_id, 'Resized.', :now)
           - UPDATE boxes SET size = :size WHERE box_id = :box_id
         """,
    )
    + tool(
        "add_note",
        parameters="{box_id: {type: integer}, body: {type: string, optional: true}}",
        returns="SELECT note_id, body, at FROM notes WHERE note_id = last_id('notes')",
        more="effects:\n  - INSERT INTO notes VALUES (new_id('notes'), :box_id, :body, :now)",
    )
    + tool("last", returns="SELECT last_id('notes') AS id")
    + tool("clock", returns="SELECT :now AS now, :today AS today")
    + tool(
        "show",
        returns="SELECT group_concat(note_id) AS ids, count(*) AS n FROM (SELECT note_id FROM notes ORDER BY note_id)",
    )
    + tool("list_notes", returns="{many: SELECT note_id FROM notes ORDER BY note_id}")
    + tool("forget", returns="SELECT count(*) AS n FROM notes", more="effects:\n  - DELETE FROM notes")
    + tool("secret", more="actor: user\nasked: {about: [secret], ask: {en: [Do it?]}, tell: {en: [Done.]}}")
)


@pytest.fixture(scope="module")
def world() -> World:
    return made(TOOLS)


@pytest.fixture
def episode(world: World):
    found = SqlEnvironment(world)
    yield found
    found.close()


def value(episode: SqlEnvironment, name: str, **arguments: object) -> object:
    outcome = episode.call(name, arguments)
    assert outcome.error is None, outcome.error
    return orjson.loads(outcome.result)


def test_the_first_guard_that_does_not_hold_is_the_error(episode: SqlEnvironment) -> None:
    assert episode.call("resize", {"box_id": 99, "size": 13}).error == "No such box."
    assert episode.call("resize", {"box_id": 1, "size": 13}).error == "Not thirteen."


@pytest.mark.parametrize(
    ("sql", "passes"),
    [
        ("SELECT 1", True),
        ("SELECT 0", False),
        ("SELECT NULL", False),
        ("SELECT 1 WHERE 0", False),
        ("SELECT -1", True),
        ("SELECT 'no'", True),
        ("SELECT 0, 1", False),
    ],
)
def test_a_guard_passes_if_its_first_cell_is_neither_null_nor_zero(sql: str, passes: bool) -> None:
    episode = opened(tool("look", more=f'requires:\n  - {{sql: "{sql}", otherwise: No.}}'))
    assert episode.call("look", {}).error == (None if passes else "No.")


def test_a_refusal_by_a_trigger_leaves_no_trace(episode: SqlEnvironment) -> None:
    before = value(episode, "show")
    refused = episode.call("resize", {"box_id": 1, "size": 500})
    assert (refused.error, refused.result, refused.wrote, refused.malformed) == ("The box is full.", None, False, False)
    assert refused.state_hash == EMPTY_HASH == episode.state_hash()
    assert episode.change() == Change()
    assert value(episode, "show") == before
    assert value(episode, "add_note", box_id=1)["note_id"] == "N-007", "the id of the refused call was given again"


def test_another_constraint_that_fails_is_a_defect_and_leaves_no_trace(episode: SqlEnvironment) -> None:
    value(episode, "resize", box_id=2, size=5)
    change, state = episode.change(), episode.state_hash()
    for arguments, says in (({"box_id": 1, "size": -1}, "CHECK constraint failed"), ({"box_id": 99}, "FOREIGN KEY")):
        with pytest.raises(DomainDefect, match=says) as error:
            episode.call("resize" if "size" in arguments else "add_note", arguments)
        assert "box_id" in str(error.value), "the evidence holds the arguments"
        assert (episode.change(), episode.state_hash()) == (change, state)
    assert value(episode, "add_note", box_id=1)["note_id"] == "N-008"


@pytest.mark.parametrize(
    "effect", ["UPDATE OR ROLLBACK boxes SET size = -1", "INSERT OR ROLLBACK INTO boxes VALUES (1, 'x', 1)"]
)
def test_what_would_undo_the_whole_episode_is_a_defect(effect: str) -> None:
    episode = opened(tool("spoil", more=f"effects:\n  - {effect}"))
    with pytest.raises(DomainDefect, match="undo the whole episode"):
        episode.call("spoil", {})


def test_a_trigger_that_rolls_back_is_a_defect_and_no_refusal() -> None:
    schema = SCHEMA.replace("RAISE(ABORT", "RAISE(ROLLBACK")
    episode = opened(tool("fill", more="effects:\n  - UPDATE boxes SET size = 500"), schema=schema)
    with pytest.raises(DomainDefect, match="undo the whole episode"):
        episode.call("fill", {})


def test_a_spoiled_database_is_not_lent_again() -> None:
    world = made(
        tool("spoil", more="effects:\n  - UPDATE OR ROLLBACK boxes SET size = -1")
        + tool("count", returns="SELECT count(*) AS n FROM notes")
    )
    for _ in range(3):
        episode = SqlEnvironment(world)
        with pytest.raises(DomainDefect):
            episode.call("spoil", {})
        episode.close()
    assert value(SqlEnvironment(world), "count") == {"n": 6}


def test_an_episode_sees_nothing_of_the_one_before(world: World) -> None:
    first = SqlEnvironment(world)
    start = value(first, "show")
    value(first, "forget")
    value(first, "add_note", box_id=3)
    first.close()
    second = SqlEnvironment(world)
    assert value(second, "show") == start
    assert (second.change(), second.state_hash()) == (Change(), EMPTY_HASH)
    assert value(second, "add_note", box_id=3)["note_id"] == "N-007"
    second.close()


def test_two_episodes_at_once_do_not_see_each_other(world: World) -> None:
    one, other = SqlEnvironment(world), SqlEnvironment(world)
    value(one, "forget")
    assert value(other, "show")["n"] == 6
    assert value(one, "show")["n"] == 0
    one.close()
    other.close()


def test_an_optional_argument_that_is_absent_is_null(episode: SqlEnvironment) -> None:
    assert value(episode, "add_note", box_id=1)["body"] is None
    assert value(episode, "add_note", box_id=1, body="")["body"] == ""


def test_booleans_bind_as_numbers_arrays_as_json_and_defaults_fill_in() -> None:
    parameters = (
        "{b: {type: boolean}, a: {type: array}, o: {type: object}, d: {type: integer, default: 7, optional: true}}"
    )
    look = tool(
        "look",
        parameters=parameters,
        returns='"SELECT :b + 1 AS b, :a AS a, json_array_length(:a) AS n, :o AS o, :d AS d"',
    )
    episode = opened(look)
    assert value(episode, "look", b=True, a=[1, "x", None], o={"k": [2]}) == {
        "b": 2,
        "a": '[1,"x",null]',
        "n": 3,
        "o": '{"k":[2]}',
        "d": 7,
    }
    assert value(episode, "look", b=False, a=[], o={}, d=0)["d"] == 0


def test_a_whole_number_written_as_a_float_is_a_number() -> None:
    episode = opened(
        tool("look", parameters="{n: {type: integer}}", returns="SELECT typeof(:n) AS t, add_days(:today, :n) AS d")
    )
    assert value(episode, "look", n=3.0)["t"] == "integer"
    assert value(episode, "look", n=3.0) == value(episode, "look", n=3)


def test_json_and_bool_columns_are_decoded_in_the_order_of_the_columns() -> None:
    sql = """SELECT 'z' AS z, '[1,{"a":2}]' AS list__json, 1 AS yes__bool, 0 AS no__bool, NULL AS none__bool,"""
    sql += " NULL AS nil__json"
    result = opened(tool("look", returns=f"|\n    {sql}")).call("look", {}).result
    assert result == '{"z":"z","list":[1,{"a":2}],"yes":true,"no":false,"none":null,"nil":null}'


@pytest.mark.parametrize("sql", ["SELECT 'not json' AS x__json", "SELECT x'00ff' AS x"])
def test_a_result_that_is_no_json_is_a_defect_that_leaves_the_episode_usable(sql: str) -> None:
    odd = tool("odd", returns=f'"{sql}"', more="effects:\n  - DELETE FROM notes")
    episode = opened(odd + tool("count", returns="SELECT count(*) AS n FROM notes"))
    with pytest.raises(DomainDefect, match="JSON"):
        episode.call("odd", {})
    assert value(episode, "count") == {"n": 6}


def test_a_call_that_succeeds_without_a_row_is_a_defect() -> None:
    with pytest.raises(DomainDefect, match="returned no row"):
        opened(tool("look", returns="SELECT 1 AS x WHERE 0")).call("look", {})


def test_the_clock_ticks_with_every_call_and_today_stands(episode: SqlEnvironment, world: World) -> None:
    times = []
    for name in ("clock", "nothing", "clock"):
        outcome = episode.call(name, {})
        times += [orjson.loads(outcome.result)] if outcome.ok else []
    assert [t["today"] for t in times] == [world.today] * 2
    assert times[0]["now"] == f"{world.today} 08:30:{TICK:02}"
    seconds = [int(t["now"][-2:]) + 60 * int(t["now"][-5:-3]) for t in times]
    assert seconds[1] - seconds[0] == 2 * TICK


def test_a_new_id_counts_on_from_the_largest_and_the_last_one_is_known_within_its_call_only(
    episode: SqlEnvironment,
) -> None:
    assert [value(episode, "add_note", box_id=1)["note_id"] for _ in range(2)] == ["N-007", "N-008"]
    assert value(episode, "last") == {"id": None}


def test_a_number_once_given_is_not_given_again_after_its_row_is_gone(episode: SqlEnvironment) -> None:
    value(episode, "add_note", box_id=1)
    value(episode, "forget")
    assert value(episode, "add_note", box_id=1)["note_id"] == "N-008"


def test_an_id_of_no_table_is_a_defect() -> None:
    for sql in ("SELECT new_id('boxes') AS x", "SELECT new_id(NULL) AS x"):
        with pytest.raises(DomainDefect):
            opened(tool("look", returns=sql)).call("look", {})


def test_a_shift_moves_ids_and_clock_and_nothing_else(world: World) -> None:
    plain, moved = SqlEnvironment(world), SqlEnvironment(world, shift=100)
    one, other = (value(e, "add_note", box_id=1, body="x") for e in (plain, moved))
    assert (one["note_id"], other["note_id"]) == ("N-007", "N-107")
    assert other["at"] > one["at"] and other["body"] == one["body"]
    plain.close()
    moved.close()


# ---------------------------------------------------------------- calls that no tool can take


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("fly", {}, "There is no tool named fly."),
        ("secret", {}, "There is no tool named secret."),
        ("resize", {"box_id": 1}, '"size" is a required property'),
        ("resize", {"box_id": 1, "size": 2, "x": 3}, "Additional properties"),
        ("resize", {"box_id": "1", "size": 2}, "(at box_id)"),
        ("resize", {"box_id": 1.5, "size": 2}, "(at box_id)"),
        ("resize", {"box_id": True, "size": 2}, "(at box_id)"),
        ("resize", {"box_id": 2**63, "size": 2}, "out of range (at box_id)"),
        ("resize", {"box_id": -(2**70), "size": 2}, "out of range (at box_id)"),
        ("resize", {"box_id": 1e300, "size": 2}, "out of range (at box_id)"),
        ("add_note", {"box_id": 1, "body": None}, "(at body)"),
        ("add_note", {"box_id": 1, "body": "x" * (MAX_ARGUMENT + 1)}, "longer than"),
    ],
)
def test_a_malformed_call_is_refused_with_its_reason_and_changes_nothing(
    episode: SqlEnvironment, name: str, arguments: dict[str, object], says: str
) -> None:
    outcome = episode.call(name, arguments)
    assert outcome.malformed and not outcome.ok and not outcome.wrote
    assert says in outcome.error
    assert len(outcome.error) < 1_000
    assert episode.change() == Change()


def test_the_agent_does_not_see_or_call_the_users_tools(episode: SqlEnvironment) -> None:
    assert "secret" not in [t.name for t in episode.tools()]
    assert [t.name for t in episode.tools("user")] == ["secret"]
    assert episode.call("secret", {}, actor="user").ok
    assert episode.call("show", {}, actor="user").malformed


def test_text_of_any_kind_survives(episode: SqlEnvironment) -> None:
    for body in ("", "O'Brien; DROP TABLE notes --", "日本語 🎫", "a\x00b", "\u2028\\n\"'", "x" * 5000):
        assert value(episode, "add_note", box_id=1, body=body)["body"] == body
    assert [row.row["body"] for row in episode.change().inserts][1] == "O'Brien; DROP TABLE notes --"


# ---------------------------------------------------------------- results, faults, snapshots


def test_a_long_list_is_cut_and_says_so() -> None:
    sql = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t LIMIT 1000000) SELECT x FROM t"
    episode = opened(
        tool("count", returns="{many: '" + sql + "'}")
        + tool("wide", returns="{many: '" + sql.replace("SELECT x FROM", 'SELECT printf("%9000d", x) AS x FROM') + "'}")
    )
    rows = value(episode, "count")
    assert len(rows) == MAX_ROWS + 1 and rows[-1] == {"truncated": f"Only the first {MAX_ROWS} rows are shown."}
    wide = value(episode, "wide")
    assert len(wide) < 10 and "truncated" in wide[-1]


@pytest.mark.parametrize("fault", ["timeout", "rate_limit", "transient"])
def test_a_fault_without_effect_changes_nothing_and_says_no_more_than_a_service_would(
    episode: SqlEnvironment, fault: str
) -> None:
    outcome = episode.call("add_note", {"box_id": 1}, fault=fault)
    assert (outcome.ok, outcome.wrote, outcome.fault, outcome.state_hash) == (False, False, fault, EMPTY_HASH)
    assert episode.change() == Change()


def test_a_lost_acknowledgement_looks_like_a_timeout_and_has_its_effect(episode: SqlEnvironment) -> None:
    timeout = episode.call("add_note", {"box_id": 1}, fault="timeout")
    lost = episode.call("add_note", {"box_id": 1}, fault="lost_ack")
    assert (lost.error, lost.result) == (timeout.error, None)
    assert lost.wrote and lost.fault == "lost_ack"
    assert [row.key for row in episode.change().inserts] == [("N-007",)]


def test_a_truncated_page_says_so_and_short_results_are_never_cut(episode: SqlEnvironment) -> None:
    whole = value(episode, "list_notes")
    outcome = episode.call("list_notes", {}, fault="truncated")
    page = orjson.loads(outcome.result)
    assert outcome.fault == "truncated"
    assert page[:-1] == whole[: len(whole) // 2] and "truncated" in page[-1]
    untouched = episode.call("show", {}, fault="truncated")
    assert untouched.ok and untouched.fault is None


def test_a_refused_call_has_no_fault(episode: SqlEnvironment) -> None:
    for fault in ("lost_ack", "truncated"):
        assert episode.call("resize", {"box_id": 99, "size": 1}, fault=fault).fault is None


def test_a_snapshot_brings_everything_back(world: World) -> None:
    episode = SqlEnvironment(world)
    value(episode, "add_note", box_id=1, body="before")
    saved = episode.snapshot()
    after = [
        value(episode, name, **args) for name, args in (("forget", {}), ("add_note", {"box_id": 2}), ("clock", {}))
    ]
    change, state = episode.change(), episode.state_hash()
    episode.restore(saved)
    assert [row.row["body"] for row in episode.change().inserts] == ["before"]
    again = [
        value(episode, name, **args) for name, args in (("forget", {}), ("add_note", {"box_id": 2}), ("clock", {}))
    ]
    assert again == after
    assert (episode.change(), episode.state_hash()) == (change, state)
    episode.close()
    fresh = SqlEnvironment(world)
    assert fresh.change() == Change() and value(fresh, "show")["n"] == 6
    fresh.close()


@pytest.mark.parametrize("restored", [False, True], ids=["after a snapshot", "after coming back to one"])
def test_a_refusal_leaves_no_trace_when_a_snapshot_was_taken(restored: bool) -> None:
    effects = ["UPDATE boxes SET label = 'gone' WHERE box_id = 1", "UPDATE boxes SET size = 101 WHERE box_id = 2"]
    episode = opened(tool("fill", more="effects:\n" + "".join(f"  - {effect}\n" for effect in effects)))
    saved = episode.snapshot()
    if restored:
        episode.restore(saved)
    assert episode.call("fill", {}).error == "The box is full."
    assert episode.change() == Change()
    episode.close()


def test_a_write_that_changes_no_row_did_not_write() -> None:
    episode = opened(tool("noop", more="effects:\n  - UPDATE boxes SET size = 1 WHERE box_id = 99"))
    outcome = episode.call("noop", {})
    assert outcome.ok and not outcome.wrote


def test_invariants_are_seen_broken_in_the_final_state() -> None:
    header = HEADER + "invariants:\n  - {name: no empty box, sql: SELECT box_id FROM boxes WHERE size = 0}\n"
    world = made(tool("empty", more="effects:\n  - UPDATE boxes SET size = 0 WHERE box_id = 1"), header=header)
    episode = SqlEnvironment(world)
    episode.call("empty", {})
    with FinalState(world, episode.change()) as state:
        assert state.broken_invariants() == ["no empty box"]
    with FinalState(world, Change()) as state:
        assert state.broken_invariants() == []


def test_the_schema_of_arguments_requires_all_but_the_optional() -> None:
    spec = compiled(TOOLS).domain.tool("add_note").json_schema
    assert spec["required"] == ["box_id"] and spec["additionalProperties"] is False
    assert "optional" not in str(spec)
