"""That the list of what pulsards has, and has not, is the truth."""

from __future__ import annotations

import pytest

from anystore.pulsards.coverage import ABSENT, PARTIAL, coverage_of
from anystore.pulsards.registry import registered
from anystore.spec import specs
from tests.pulsards.peers import EngineClient

ROWS = {name: row for name, row in specs().items() if not row.is_container}


def test_what_is_not_there_has_a_reason() -> None:
    EngineClient()  # registers the commands
    assert {name for name in ROWS if name not in registered()} == set(ABSENT)


def test_reasons_are_for_commands_that_there_are() -> None:
    assert set(ABSENT) | set(PARTIAL) <= set(ROWS)
    assert not set(ABSENT) & set(PARTIAL)
    assert {coverage_of(row)[0] for row in ROWS.values()} == {"full", "partial"}
    assert all(bool(what) == (state != "full") for state, what in map(coverage_of, ROWS.values()))


@pytest.mark.parametrize(
    "name", [name for name in ROWS if name.startswith("cluster|")] + ["readonly", "asking"]
)
def test_cluster_mode_is_off(name: str) -> None:
    state, _ = coverage_of(ROWS[name])
    words = name.split("|") + ["x"] * (abs(ROWS[name].arity) - len(name.split("|")))
    reply = EngineClient().execute(*words)
    assert (reply == ("error", "ERR This instance has cluster support disabled")) == (state == "partial")


def test_what_is_refused_altogether() -> None:
    client = EngineClient()
    for name, words in (
        ("MODULE LOAD", "/x"),
        ("DEBUG", "SEGFAULT"),
    ):
        kind, _ = client.execute(*name.split(), *words.split())
        assert kind == "error"
        assert name.lower().replace(" ", "|") in {**ABSENT, **PARTIAL}
