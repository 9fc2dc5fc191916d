"""Sequences of commands made up by hypothesis, run everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.pulsards.differential import Command, Differential


def sequences(*templates: Sequence[Any], most: int = 25) -> st.SearchStrategy[list[Command]]:
    """Lists of commands; a template is a command whose arguments may be strategies."""
    commands = [
        st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in template))
        for template in templates
    ]
    return st.lists(st.one_of(commands), min_size=1, max_size=most)


def run_sequence(
    peers: Differential, start: list[str], commands: list[Command], *, encodings: bool = True
) -> None:
    """Bring everything to the same state, run the commands, and compare replies and what is left."""
    peers.check(["FLUSHALL", *start])
    peers.check(commands)
    peers.check_state(encodings=encodings)
