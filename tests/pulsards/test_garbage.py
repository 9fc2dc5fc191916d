"""A server that nobody has any more is freed, with all of its data, whatever its clients were about."""

from __future__ import annotations

import gc
import weakref

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine

_ABOUT = {
    "nothing": [],
    "a-value": [b"SET key value"],
    "a-script": [b"EVAL 'return redis.call(\"get\", KEYS[1])' 1 key"],
    "a-function": [
        b"FUNCTION LOAD \"#!lua name=one\\nredis.register_function('one', function() return 1 end)\"",
        b"FCALL one 0",
    ],
    "a-transaction": [b"WATCH key", b"MULTI", b"SET key value"],
    "waiting": [b"BLPOP list 0"],
    "waiting-for-the-past": [b"XREAD BLOCK 1000 STREAMS stream $"],
    "subscribed": [b"SUBSCRIBE channel", b"PSUBSCRIBE pattern*", b"SSUBSCRIBE shard"],
    "watching": [b"MONITOR"],
    "tracking": [b"HELLO 3", b"CLIENT TRACKING ON", b"GET key"],
    "paused": [b"CLIENT PAUSE 1000", b"SET key value"],
    "a-debugger": [b"SCRIPT DEBUG YES", b"EVAL 'return 1' 0"],
}


def served(commands: list[bytes], *, leave: bool) -> weakref.ref[ManualClock]:
    """What is left of a server of which a client has asked this: a reference to its clock, which goes with it."""
    clock = ManualClock()
    engine = Engine(clock=clock)
    sessions = [engine.connect("client:1"), engine.connect("client:2")]
    for session in sessions:
        for command in commands:
            session.receive(command + b"\r\n")
            engine.flush()
            session.take_output()
    if leave:
        for session in sessions:
            session.close()
    return weakref.ref(clock)


@pytest.mark.parametrize("leave", [True, False], ids=["left", "connected"])
@pytest.mark.parametrize("about", _ABOUT)
def test_a_server_is_freed(about: str, leave: bool) -> None:
    clock = served(_ABOUT[about], leave=leave)
    gc.collect()
    assert clock() is None
