from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import Deadlines

_NAMES = st.sampled_from([b"a", b"b", b"c", b"d"])
_STEPS = st.lists(st.tuples(_NAMES, st.none() | st.integers(0, 9)))


@given(steps=_STEPS, now=st.integers(0, 9), limit=st.none() | st.integers(0, 4))
def test_like_a_sorted_dict(steps: list[tuple[bytes, int | None]], now: int, limit: int | None) -> None:
    deadlines = Deadlines({b"a": 5})
    model = {b"a": 5}
    for name, when in steps:
        if when is None:
            assert deadlines.pop(name, None) == model.pop(name, None)
        else:
            deadlines.put(name, when)
            model[name] = when
        assert deadlines == model
        assert deadlines.earliest() == min(model.values(), default=None)
    due = deadlines.take_due(now, limit)
    expected = sorted(when for when in model.values() if when <= now)[:limit]
    assert [model.pop(name) for name in due] == expected
    assert deadlines == model
    assert Deadlines(deadlines).earliest() == deadlines.earliest()


def test_one_name_moved_again_and_again_takes_no_more_room() -> None:
    deadlines = Deadlines()
    for when in range(10_000):
        deadlines.put(b"a", when)
    assert len(deadlines._heap) < 100
    assert deadlines.earliest() == 9999
