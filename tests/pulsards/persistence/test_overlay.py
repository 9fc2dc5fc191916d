from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.overlay import Overlay

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.integers(1, 9)),
        st.tuples(st.just("del"), KEYS, st.just(0)),
        st.tuples(st.just("update"), KEYS, st.integers(1, 9)),
    )
)


@given(st.dictionaries(KEYS, st.integers(10, 19)), STEPS)
def test_it_looks_like_the_dict_with_the_changes(
    start: dict[bytes, Any], steps: list[tuple[str, bytes, int]]
) -> None:
    base, model = dict(start), dict(start)
    overlay = Overlay(base)
    walk = iter(base)
    walked = []
    for kind, key, value in steps:
        if kind == "set":
            overlay[key] = model[key] = value
        elif kind == "update":
            overlay.update(iter([(key, value)]))
            model.update([(key, value)])
        elif key in model:
            del overlay[key], model[key]
        else:
            with pytest.raises(KeyError):
                del overlay[key]
        walked += [name for name in [next(walk, None)] if name is not None]
        assert len(overlay) == len(model)
        assert bool(overlay) is bool(model)
        assert sorted(overlay) == sorted(model)
        assert sorted(overlay.items()) == sorted(model.items())
        for name in (b"a", b"b", b"c", b"d", b"e"):
            assert overlay.get(name) == model.get(name)
            assert overlay.get(name, 5) == model.get(name, 5)
            assert (name in overlay) is (name in model)
            if name in model:
                assert overlay[name] == model[name]
            else:
                with pytest.raises(KeyError):
                    overlay[name]
    # All the while, the dict behind it could be walked.
    assert walked + list(walk) == list(start)
    assert overlay.merge() is base
    assert base == model


def test_what_it_does_not_have_cannot_be_called() -> None:
    for name in ("keys", "values", "pop", "popitem", "setdefault", "clear", "copy"):
        with pytest.raises(TypeError):
            getattr(Overlay({}), name)()
