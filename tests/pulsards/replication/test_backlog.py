"""The ring that keeps the last part of a stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.replication.backlog import Backlog
from anystore.pulsards.replication.history import NO_ID, History


@given(
    size=st.integers(1, 20),
    start=st.integers(0, 5),
    steps=st.lists(st.one_of(st.binary(min_size=1, max_size=30), st.integers(1, 40)), max_size=12),
)
def test_it_has_the_last_bytes_and_knows_where_they_stand(
    size: int, start: int, steps: list[bytes | int]
) -> None:
    backlog = Backlog(size, start)
    passed, held = b"", b""
    for step in steps:
        if isinstance(step, int):
            size = step
            backlog.resize(step)
        else:
            passed += step
            backlog.append(step)
            held += step
        held = held[-size:]
        assert (backlog.size, backlog.held) == (size, len(held))
        assert backlog.first == start + len(passed) - len(held) + 1
        end = start + len(passed)
        for offset in range(start - 1, end + 3):
            missing = end - offset + 1
            expected = (
                held[len(held) - missing :] if 0 < missing <= len(held) else b"" if not missing else None
            )
            assert backlog.since(offset) == expected


ONE, TWO, THREE = b"1" * 40, b"2" * 40, b"3" * 40


def test_a_history_goes_on_for_whoever_has_the_same_one() -> None:
    history = History(ONE)
    assert history.continuation(ONE, 1) is None  # nothing is kept
    history.keep(100)
    history.append(b"abc")
    assert history.continuation(ONE, 1) == b"abc"
    assert history.continuation(ONE, 3) == b"c"
    assert history.continuation(ONE, 4) == b""
    assert history.continuation(ONE, 5) is None
    assert history.continuation(TWO, 1) is None
    assert history.continuation(NO_ID, 1) is None


def test_a_fork_takes_in_those_who_were_not_behind_it() -> None:
    history = History(ONE)
    history.keep(100)
    history.append(b"abc")
    history.fork(TWO)
    history.append(b"def")
    assert history.continuation(TWO, 4) == b"def"
    assert history.continuation(ONE, 4) == b"def"
    assert history.continuation(ONE, 2) == b"bcdef"
    # Who has more of the former history than was here has changes that are not here.
    assert history.continuation(ONE, 5) is None
    history.fork(THREE)
    assert history.continuation(ONE, 2) is None
    assert history.continuation(TWO, 7) == b""


def test_another_history_takes_its_place() -> None:
    history = History(ONE)
    history.keep(100)
    history.append(b"abc")
    history.replace(TWO, 1000)
    assert history.continuation(TWO, 1001) is None
    history.keep(100)
    history.append(b"x")
    assert (history.offset, history.continuation(TWO, 1001)) == (1001, b"x")
    assert history.continuation(TWO, 1000) is None
    assert history.continuation(ONE, 4) is None
