"""ACL, CONFIG and CLIENT by several clients that change all three: on pulsards and on real servers, it comes to the same.

`tests.pulsards.test_differential` leaves these commands out, as what they change would last; here each scene has servers of
its own to itself, and puts them right at its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.pulsards.acl_peers import as_7_0, as_valkey, without_databases
from tests.pulsards.administrators import LETTERS, USERS, Call, Place, Step, Told
from tests.pulsards.administrators_differences import (
    ADMINISTRATORS_DIFFERENCES,
    StateDifference,
    reason_for_state,
)
from tests.pulsards.call_values import commands_of_pulsards
from tests.servers import RealServer, redis_binary, run_server, valkey_binary

EXAMPLES: Final = int(os.environ.get("PULSARDS_DIFFERENTIAL", "200"))

_RULES: Final = (
    *(
        "on",
        "off",
        "nopass",
        "resetpass",
        ">pw",
        "<pw",
        ">",
        "reset",
        "~*",
        "~a*",
        "%R~b*",
        "%W~c",
        "allkeys",
    ),
    *(
        "resetkeys",
        "&*",
        "&n*",
        "resetchannels",
        "allchannels",
        "+@all",
        "-@all",
        "+@read",
        "-@write",
        "+get",
        "-set",
    ),
    *(
        "+client",
        "-client|kill",
        "+config|get",
        "-@dangerous",
        "+@connection",
        "(+set ~a*)",
        "(~b* +@read)",
        "(",
    ),
    *("clearselectors", "nosuch", "+nosuch", "+@nosuch", "%X~a", "#zz", "!zz", ""),
)
_ASKED: Final = (
    "get a",
    "set a 1",
    "get b1",
    "set b1 1",
    "mget a b1",
    "publish n x",
    "config set x y",
    "client id",
    "nosuch",
)
#: What any client may do, and by which it shows whether it may.
_ORDINARY: Final = (
    "GET a",
    "SET a 1",
    "GET b1",
    "SET c 1",
    "PUBLISH n x",
    "PING",
    "SELECT 1",
    "SELECT 0",
    "DEL a b1 c",
    "TYPE a",
)
_DIRECTIVES: Final = (
    *(
        "hash-max-listpack-entries",
        "hash-max-ziplist-value",
        "set-max-intset-entries",
        "list-max-listpack-size",
    ),
    *(
        "zset-max-listpack-entries",
        "stream-node-max-bytes",
        "stream-node-max-entries",
        "hll-sparse-max-bytes",
    ),
    *(
        "maxmemory-policy",
        "maxmemory-samples",
        "lfu-log-factor",
        "lfu-decay-time",
        "timeout",
        "tcp-keepalive",
    ),
    *("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold", "latency-tracking"),
    *(
        "latency-tracking-info-percentiles",
        "tracking-table-max-keys",
        "notify-keyspace-events",
        "acllog-max-len",
    ),
    *("acl-pubsub-default", "busy-reply-threshold", "lua-time-limit", "proto-max-bulk-len", "requirepass"),
    *(
        "client-query-buffer-limit",
        "replica-priority",
        "slave-priority",
        "min-replicas-max-lag",
        "repl-timeout",
    ),
    *("repl-ping-replica-period", "masterauth", "masteruser", "replica-announce-ip", "replica-announce-port"),
    *(
        "replica-serve-stale-data",
        "replica-read-only",
        "protected-mode",
        "shutdown-timeout",
    ),
    *(
        "databases",
        "unixsocket",
        "daemonize",
        "tcp-backlog",
        "logfile",
        "nosuch",
        "dir",
        "set-proc-titlex",
    ),
)
_FIXED: Final = (
    "databases",
    "unixsocket",
    "daemonize",
    "tcp-backlog",
    "logfile",
    "nosuch",
    "set-proc-titlex",
)
_VALUES: Final = (
    *(
        "yes",
        "no",
        "0",
        "1",
        "2",
        "-1",
        "100",
        "100000",
        "x",
        "",
        "1mb",
        "2gb",
        "1k",
        "5%",
        "200%",
        "1.5",
        "YES",
    ),
    *(
        "allkeys-lru",
        "noeviction",
        "volatile-ttl",
        "AKE",
        "Kg$",
        "KEQ",
        "pw",
        "50 99",
        "50 x",
        "allchannels",
        " 1",
    ),
    *("99999999999999999999", "-5gb", "1e3"),
)
_CLIENT: Final = (
    *(
        "CLIENT ID",
        "CLIENT INFO",
        "CLIENT LIST",
        "CLIENT GETNAME",
        "CLIENT SETNAME me",
        "CLIENT SETNAME",
        "CLIENT SETNAME a\xffb",
    ),
    *(
        "CLIENT LIST TYPE normal",
        "CLIENT LIST TYPE pubsub",
        "CLIENT LIST TYPE replica",
        "CLIENT LIST TYPE nosuch",
    ),
    *(
        "CLIENT LIST ID {id:a}",
        "CLIENT LIST ID {id:b} {id:c}",
        "CLIENT LIST ID x",
        "CLIENT LIST ID",
        "CLIENT NOSUCH",
    ),
    *(
        "CLIENT KILL {addr:b}",
        "CLIENT KILL 1.2.3.4:5",
        "CLIENT KILL ID {id:a}",
        "CLIENT KILL ID {id:c} SKIPME no",
    ),
    *(
        "CLIENT KILL ID {id:a} ID {id:b}",
        "CLIENT KILL ADDR {addr:c}",
        "CLIENT KILL USER alice",
        "CLIENT KILL USER nosuch",
    ),
    *(
        "CLIENT KILL TYPE pubsub",
        "CLIENT KILL TYPE nosuch",
        "CLIENT KILL SKIPME maybe",
        "CLIENT KILL ID x",
        "CLIENT KILL ID 0",
    ),
    *(
        "CLIENT KILL USER bob SKIPME no",
        "CLIENT KILL TYPE normal USER default",
        "CLIENT KILL ID",
        "CLIENT KILL LADDR 1.2.3.4:5",
    ),
    *("CLIENT KILL USER alice TYPE normal ADDR {addr:b}", "CLIENT KILL NOSUCH x", "CLIENT KILL"),
    *(
        "CLIENT NO-EVICT on",
        "CLIENT NO-EVICT off",
        "CLIENT NO-EVICT x",
        "CLIENT NO-EVICT",
        "CLIENT UNPAUSE",
        "CLIENT PAUSE x",
    ),
    *(
        "CLIENT PAUSE -1",
        "CLIENT PAUSE 1 x",
        "CLIENT PAUSE 0",
        "CLIENT PAUSE",
        "CLIENT REPLY ON",
        "CLIENT REPLY x",
    ),
    *(
        "CLIENT UNBLOCK {id:b}",
        "CLIENT UNBLOCK {id:b} ERROR",
        "CLIENT UNBLOCK {id:b} x",
        "CLIENT UNBLOCK x",
        "CLIENT UNBLOCK",
    ),
    *(
        "CLIENT TRACKING on",
        "CLIENT TRACKING off",
        "CLIENT TRACKING on BCAST",
        "CLIENT TRACKING on BCAST PREFIX a PREFIX b",
    ),
    *(
        "CLIENT TRACKING on OPTIN",
        "CLIENT TRACKING on OPTOUT",
        "CLIENT TRACKING on OPTIN OPTOUT",
        "CLIENT TRACKING x",
    ),
    *(
        "CLIENT TRACKING on REDIRECT {id:b}",
        "CLIENT TRACKING on REDIRECT 99999",
        "CLIENT TRACKING on REDIRECT {id:c} NOLOOP",
    ),
    *(
        "CLIENT TRACKING on PREFIX a",
        "CLIENT TRACKING on BCAST PREFIX a PREFIX ab",
        "CLIENT TRACKING off BCAST",
        "CLIENT TRACKING",
    ),
    *(
        "CLIENT TRACKINGINFO",
        "CLIENT TRACKINGINFO x",
        "CLIENT GETREDIR",
        "CLIENT CACHING yes",
        "CLIENT CACHING no",
        "CLIENT CACHING x",
    ),
    *(
        "RESET",
        "HELLO 2",
        "HELLO 3",
        "HELLO 3 AUTH alice pw",
        "HELLO 3 SETNAME you",
        "AUTH alice pw",
        "AUTH bob pw",
        "AUTH pw",
    ),
    *("AUTH default pw", "AUTH alice wrong", "AUTH default ", "HELLO 3 AUTH default ", "HELLO 9", "AUTH"),
)
#: What is sent at once: where there may be no reply to one of them, or nobody but the same client can make an end of it.
_TOGETHER: Final = (
    *(
        "CLIENT REPLY OFF ; GET a ; CLIENT REPLY ON",
        "CLIENT REPLY SKIP ; GET a ; PING",
        "CLIENT REPLY OFF ; SET a x ; CLIENT REPLY ON",
    ),
    *(
        "CLIENT PAUSE 100000 WRITE ; GET a ; CLIENT UNPAUSE ; SET a y",
        "CLIENT PAUSE 100000 WRITE ; CLIENT UNPAUSE ; CLIENT INFO",
    ),
    *(
        "BLPOP none 0",
        "BLPOP none 0",
        "BLPOP none 0",
        "MULTI ; CLIENT INFO ; CLIENT LIST ; EXEC",
        "MULTI ; CLIENT REPLY OFF ; DISCARD",
    ),
    *(
        "MULTI ; CONFIG SET timeout 7 ; CONFIG GET timeout ; EXEC",
        "MULTI ; ACL SETUSER bob on ; ACL GETUSER bob ; EXEC",
    ),
    *(
        "MULTI ; CLIENT KILL ID {id:b} ; ACL DELUSER alice ; EXEC",
        "MULTI ; ACL WHOAMI ; GET ; EXEC",
        "WATCH a ; MULTI ; SET a 5 ; EXEC",
    ),
)
#: Redis 7.0 does not have these yet.
_NEWER: Final = (
    *(
        "CLIENT NO-TOUCH on",
        "CLIENT NO-TOUCH off",
        "CLIENT NO-TOUCH x",
        "CLIENT SETINFO lib-name lib",
        "CLIENT SETINFO lib-ver 1",
    ),
    *(
        "CLIENT SETINFO x y",
        "CLIENT SETINFO lib-name",
        "CLIENT KILL MAXAGE 100000",
        "CLIENT KILL MAXAGE x",
        "CLIENT KILL ID {id:a} {id:b}",
    ),
    *(
        "CLIENT LIST USER default",
        "CLIENT LIST ADDR {addr:b}",
        "CLIENT LIST NAME me",
        "CLIENT CAPA redirect",
        "CLIENT CAPA",
    ),
    *(
        "CLIENT LIST NOT-ID {id:a}",
        "CLIENT LIST USER nosuch",
        "CLIENT LIST SKIPME yes ID {id:a}",
        "CLIENT KILL NAME me",
    ),
)
_ACL: Final = (
    *(
        "ACL LIST",
        "ACL USERS",
        "ACL WHOAMI",
        "ACL CAT",
        "ACL CAT nosuch",
        "ACL LOG",
        "ACL LOG 1",
        "ACL LOG 0",
        "ACL LOG x",
    ),
    *(
        "ACL LOG RESET",
        "ACL LOG -1",
        "ACL GENPASS",
        "ACL GENPASS 5",
        "ACL GENPASS 0",
        "ACL GENPASS x",
        "ACL NOSUCH",
        "ACL",
    ),
    *(
        "ACL LOAD",
        "ACL SAVE",
        "ACL DELUSER",
        "ACL GETUSER",
        "ACL SETUSER",
        "ACL DRYRUN alice",
        "ACL CAT read",
        "ACL WHOAMI x",
    ),
)


def _words(text: str) -> list[bytes]:
    return text.encode("latin-1").split(b" ")


@st.composite
def _users(draw: st.DrawFn) -> list[bytes]:
    name = draw(st.sampled_from(USERS))
    how = draw(st.integers(0, 9))
    if how < 5:
        rules = draw(st.lists(st.sampled_from(_RULES), min_size=1, max_size=5))
        return [b"ACL", b"SETUSER", name, *(rule.encode() for rule in rules)]
    if how < 6:
        return [b"ACL", b"DELUSER", name, *draw(st.lists(st.sampled_from(USERS), max_size=2))]
    if how < 8:
        return [b"ACL", b"GETUSER", name]
    return [b"ACL", b"DRYRUN", name, *_words(draw(st.sampled_from(_ASKED)))]


@st.composite
def _directives(draw: st.DrawFn) -> list[bytes]:
    how = draw(st.integers(0, 9))
    if how == 0:
        return [b"CONFIG", b"RESETSTAT", *draw(st.sampled_from(((), (), (b"x",))))]
    names = draw(st.lists(st.sampled_from(_DIRECTIVES), min_size=1, max_size=2))
    if how < 4:
        return [
            b"CONFIG",
            b"GET",
            *(name.encode() for name in names if name not in ("dir", "unixsocket", "logfile")),
        ]
    found = [b"CONFIG", b"SET"]
    for name in names:
        found += [name.encode(), draw(st.sampled_from(_VALUES)).encode()]
    return found


def _scenes(server: str) -> st.SearchStrategy[list[Step]]:
    """Steps of three clients, of commands that the server has."""

    def alone(texts: tuple[str, ...]) -> st.SearchStrategy[list[Call]]:
        return st.sampled_from(texts).map(lambda text: [_words(part) for part in text.split(" ; ")])

    kinds = [
        _users().map(lambda call: [call]),
        _directives().map(lambda call: [call]),
        *(alone(texts) for texts in (_CLIENT, _ACL, _ORDINARY, _TOGETHER)),
        *([alone(_NEWER)] if server == "valkey" else []),
    ]
    return st.lists(st.tuples(st.sampled_from(LETTERS), st.one_of(kinds)), min_size=1, max_size=15)


class Stage:
    """A scene's two servers."""

    def __init__(self, server: str, port: int, protocol: int) -> None:
        self.server = server
        self.ours, self.theirs = Place(None, protocol), Place(port, protocol)
        names = [name.encode() for name in _DIRECTIVES if name not in _FIXED]
        self._defaults = []
        for place in (self.ours, self.theirs):
            found: dict[bytes, bytes] = {}
            for name in names:
                reply = place.control("CONFIG", "GET", name)
                if reply:
                    found[name] = reply[1]
            self._defaults.append(found)

    def play(self, steps: list[Step]) -> str | None:
        """Play a scene on both; the reason for the last difference, None without one. One in what is kept ends the scene."""
        touched: set[bytes] = set()
        places = (self.ours, self.theirs)
        found: str | None = None
        for place in places:
            place.begin()
        try:
            before: list[Call] = []
            for letter, calls in steps:
                for call in calls:
                    if call[:2] == [b"CONFIG", b"SET"]:
                        touched.update(call[2::2])
                mine = self.ours.step(letter, calls)
                other = self.theirs.step(letter, calls, mine)
                for reason, is_kept in self._differences(letter, calls, mine, other, before):
                    found = reason
                    if is_kept:
                        return reason
                before += calls
                if self.ours.waits(letter):
                    self.theirs.wait_until_it_waits(letter)
            return found
        finally:
            for place, defaults in zip(places, self._defaults, strict=True):
                place.end(
                    {name: defaults[name] for name in touched if name in defaults and name not in _KEPT}
                )

    def _differences(
        self, letter: str, calls: list[Call], mine: Told, other: Told, before: list[Call]
    ) -> Iterator[tuple[str, bool]]:
        """The reasons of what differs in a step, and whether the two sides may not be the same afterwards."""
        shown = f"{letter} {b' ; '.join(b' '.join(call) for call in calls)!r}"
        assert mine.keys() == other.keys(), f"{shown}: pulsards {mine!r}, {self.server} {other!r}"
        for who, ours in mine.items():
            theirs = other[who]
            assert len(ours) == len(theirs), f"{shown}, to {who}: pulsards {ours!r}, {self.server} {theirs!r}"
            for number, (one, two) in enumerate(zip(ours, theirs, strict=True)):
                call = calls[number] if who == letter and number < len(calls) else [b"?"]
                one, two = self._alike(call, one, two)
                if one != two:
                    reason = reason_for_state(self.server, call, one, two, before)
                    assert reason is not None, f"{shown}, to {who}: pulsards {one!r}, {self.server} {two!r}"
                    yield reason, not (isinstance(one, tuple) and isinstance(two, tuple))

    def _alike(self, call: Call, ours: Any, theirs: Any) -> tuple[Any, Any]:
        if self.server == "redis":
            return as_7_0(ours), theirs
        return (ours, theirs) if call[0] == b"CONFIG" else (as_valkey(ours), without_databases(theirs))

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


#: Directives that no call changes: they are protected.
_KEPT: Final = (b"dir",)


@pytest.fixture(scope="module")
def own_servers() -> Iterator[dict[str, RealServer]]:
    """Servers for these tests alone."""
    redis = redis_binary()
    with run_server(valkey_binary()) as valkey:
        if redis is None:
            yield {"valkey": valkey}
            return
        with run_server(redis) as real:
            yield {"valkey": valkey, "redis": real}


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest, own_servers: dict[str, RealServer]) -> tuple[str, int]:
    return request.param, own_servers[request.param].port


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("protocol", [2, 3])
def test_administrators_do_the_same(server: tuple[str, int], protocol: int) -> None:
    stage = Stage(*server, protocol)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(steps=_scenes(stage.server))
    def run(steps: list[Step]) -> None:
        stage.play(steps)

    try:
        run()
    finally:
        stage.close()


#: What is in no scene, and why.
_NOT_IN_SCENES: Final = {
    **dict.fromkeys(("acl|help", "client|help", "config|help"), "the texts are each server's own"),
    "config|rewrite": "it is about a file; see test_config_rewrite",
    "client|import-source": "it is for servers that take data in; see test_pausing and what is about import-mode",
}


def test_all_of_acl_config_and_client_is_in_the_scenes() -> None:
    texts = [
        part for texts in (_CLIENT, _ACL, _TOGETHER, _NEWER) for text in texts for part in text.split(" ; ")
    ]
    made = {b"|".join(_words(text)[:2]).decode().lower() for text in texts}
    made |= {
        "acl|setuser",
        "acl|deluser",
        "acl|getuser",
        "acl|dryrun",
        "config|set",
        "config|get",
        "config|resetstat",
    }
    there = {
        name
        for name in commands_of_pulsards()
        if name.split("|")[0] in ("acl", "config", "client") and "|" in name
    }
    assert there - made == set(_NOT_IN_SCENES)


@pytest.mark.parametrize("row", ADMINISTRATORS_DIFFERENCES, ids=lambda row: row.example[-1][:50])
def test_a_difference_is_there(own_servers: dict[str, RealServer], row: StateDifference) -> None:
    """A row that is not true any more has to go."""
    for name, real in own_servers.items():
        if row.server not in (name, "both"):
            continue
        stage = Stage(name, real.port, 2)
        try:
            steps = [(line[0], [_words(line[2:])]) for line in row.example]
            assert stage.play(steps) == row.reason
        finally:
            stage.close()
