"""Whatever the steps in which a run was extended, done and remaining work are the asked rectangle, disjoint."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SHARD_TASKS
from pipeline.storage.work import Work, remaining, uncovered

STEPS = st.lists(st.tuples(st.integers(1, 150), st.integers(1, 5), st.integers(0, 100)), min_size=1, max_size=5)


@given(steps=STEPS)
def test_done_and_remaining_are_what_was_asked_and_nothing_twice(steps: list[tuple[int, int, int]]) -> None:
    done: list[Work] = []
    asked: set[tuple[int, int]] = set()
    for tasks, attempts, percent in steps:
        todo = remaining(tasks, attempts, done)
        asked |= {(t, a) for t in range(tasks) for a in range(attempts)}
        assert todo == sorted(todo)
        for work in todo:
            assert {t // SHARD_TASKS for t in work.tasks} == {work.shard}
            assert Work.from_name(work.name) == work
            assert uncovered(work, done)
        cells = [(t, a) for work in [*done, *todo] for t in work.tasks for a in work.attempts]
        assert len(cells) == len(set(cells))
        assert {(t, a) for t in range(tasks) for a in range(attempts)} <= set(cells) <= asked
        done += todo[: len(todo) * percent // 100]  # a kill: only some of it gets done


@given(first=st.tuples(st.integers(1, 100), st.integers(1, 4)), more=st.tuples(st.integers(0, 100), st.integers(0, 4)))
def test_an_extension_is_a_few_pieces_a_shard(first: tuple[int, int], more: tuple[int, int]) -> None:
    done = remaining(*first, [])
    todo = remaining(first[0] + more[0], first[1] + more[1], done)
    shards = [work.shard for work in todo]
    assert all(shards.count(shard) <= 2 for shard in shards)
    assert remaining(*first, done) == []


def test_a_name_that_is_none_is_no_work() -> None:
    for name in (
        "",
        "00000",
        "00000-t0-33-a0-1",
        "00001-t0-32-a0-1",
        "00000-t5-5-a0-1",
        "0-t0-32-a0-1",
        "x00000-t0-1-a0-1",
    ):
        assert Work.from_name(name) is None


def test_pieces_overlap_only_when_they_share_an_episode() -> None:
    left = Work(0, 0, 16, 0, 2)
    assert left.overlaps(Work(0, 15, 32, 1, 3))
    assert not left.overlaps(Work(0, 16, 32, 0, 2))
    assert not left.overlaps(Work(0, 0, 16, 2, 3))
