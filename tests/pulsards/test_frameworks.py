"""What programs ask a server before they do anything: the first words of clients, queues and watchers.

The programs themselves run on pulsards in `tests/programs`; this is the part of them that needs none of their packages.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.pulsards.agreement import is_error
from tests.pulsards.differential import text_of
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

#: Who says what, before any work; texts between spaces.
FIRST_WORDS: Final = {
    "redis-py, RQ, Celery": (
        "CLIENT SETINFO LIB-NAME redis-py",
        "CLIENT SETINFO LIB-VER 5.0.0",
        "INFO",
        "CONFIG GET maxmemory-policy",
        "CLIENT LIST",
        "CLIENT SETNAME rq:worker:1",
        "PING",
    ),
    "coredis, taskiq, docket": (
        "HELLO 3",
        "CLIENT TRACKINGINFO",
        "CLIENT ID",
        "CLIENT NO-EVICT ON",
        "INFO server",
        "XGROUP CREATE stream group 0 MKSTREAM",
        "XINFO GROUPS stream",
        "XAUTOCLAIM stream group me 0 0-0",
    ),
    "arq, dramatiq": ("INFO Server", "INFO Memory", "INFO Clients", "DBSIZE", "ZCARD arq:queue", "TIME"),
    "channels, socketio": ("SELECT 0", "SUBSCRIBE socketio", "UNSUBSCRIBE socketio", "PUBLISH socketio x"),
    "ioredis, BullMQ": (
        "INFO",
        "CLIENT SETNAME bull",
        "CLIENT INFO",
        "CONFIG GET maxmemory-policy",
        "SCRIPT LOAD return~1",
        "COMMAND INFO xadd lmove",
    ),
    "node-redis, glide": (
        "HELLO 3",
        "CLIENT SETINFO LIB-NAME node",
        "CLIENT GETREDIR",
        "COMMAND COUNT",
        "ROLE",
    ),
    "redis-cli": (
        "COMMAND DOCS",
        "COMMAND",
        "CONFIG GET databases",
        "OBJECT ENCODING no",
        "OBJECT HELP",
        "MEMORY USAGE no",
        "SLOWLOG GET 10",
        "LATENCY LATEST",
        "SCAN 0 COUNT 10",
    ),
    "exporters, dashboards": (
        "INFO ALL",
        "CONFIG GET *",
        "SLOWLOG LEN",
        "CLIENT LIST TYPE normal",
        "MEMORY STATS",
        "MODULE LIST",
        "ACL WHOAMI",
    ),
}


@pytest.mark.parametrize("who", FIRST_WORDS)
def test_s19_the_first_words_are_answered_as_by_a_real_server(who: str, valkey: RealServer) -> None:
    """Answered, and by the same kind of reply: the contents are tested where they are made."""
    ours, theirs = EngineClient(), RealClient(valkey.port)
    theirs.execute("FLUSHALL")
    for line in FIRST_WORDS[who]:
        call = [word.replace("~", " ") for word in line.split(" ")]
        mine, other = ours.execute(*call), theirs.execute(*call)
        assert not is_error(mine), text_of(call)
        assert type(mine) is type(other), text_of(call)
    theirs.close()
