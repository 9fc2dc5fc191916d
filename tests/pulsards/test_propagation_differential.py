"""What real servers tell their replicas of commands, and what pulsards tells: the same, but for a table of reasons."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from anystore.pulsards.propagation import Unit
from tests.pulsards.call_values import commands_of_pulsards
from tests.pulsards.feeds import Feed, commands_of, in_units
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import redis_binary, run_server, valkey_binary

#: Moments told may be as far apart as this, in milliseconds: the servers are asked one after the other.
_TOLERANCE: Final = 60_000
_FIRST_MOMENT: Final = 1_600_000_000_000


class Difference(NamedTuple):
    """A command that `server` tells otherwise than pulsards, and why."""

    server: str
    command: str
    reason: str


# Not compared: where Valkey tells UNLINK, pulsards and Redis tell DEL. Valkey frees in the background unless it is told
# not to, and has its replicas do the same.
_CONSUMER: Final = "a consumer that got nothing yet, or is only looked for, is told as well"
_HISTORY: Final = "reading again counts as a delivery: told as such, or a replica that takes over counts anew"
_STORED: Final = (
    "order among equals, the choice of ANY, and last digits are each server's own: told as what was stored"
)
_READ: Final = "Redis 7.0 does not tell how many entries were read"
_LIMIT: Final = "an exact threshold has no limit: no server takes one from a client"
_GONE: Final = "an entry that is not in the stream any more cannot be claimed: it is told as acknowledged"

DIFFERENCES: Final = (
    Difference("valkey", "SET past 1 PXAT 5", "Valkey removes at once what is past"),
    Difference("both", "XREADGROUP GROUP g c STREAMS s >", _CONSUMER),
    Difference("both", "XREADGROUP GROUP g nobody STREAMS s >", _CONSUMER),
    Difference("both", "b! XREADGROUP GROUP g d BLOCK 0 STREAMS new >", _CONSUMER),
    Difference("redis", "XREADGROUP GROUP g c COUNT 1 STREAMS s >", _READ),
    Difference("both", "SORT l STORE sorted", _STORED),
    Difference("both", "SORT no STORE sorted", _STORED),
    Difference("both", "GEORADIUS g 13 38 200 km STORE g2", _STORED),
    Difference("both", "GEOSEARCHSTORE g3 g FROMMEMBER a BYRADIUS 500 km", _STORED),
    Difference("redis", "XADD new 9999999999999-1 a 1", _READ),
    Difference("both", "XADD t MAXLEN ~ 0 LIMIT 10 * a 1", _LIMIT),
    Difference("both", "XTRIM t MAXLEN ~ 0 LIMIT 5", _LIMIT),
    Difference("both", "XCLAIM s g d 0 9999999999999-5 1-1", _CONSUMER),
    Difference("both", "XREADGROUP GROUP g c STREAMS s 0", _HISTORY),
    Difference("both", "XCLAIM s g d 0 9999999999999-5 JUSTID", _GONE),
    Difference("both", "XAUTOCLAIM s g d 0 0", _GONE),
    Difference(
        "valkey", "HINCRBYFLOAT h a 1.5", "Valkey's HSETEX is newer than the times to live of fields are"
    ),
    Difference("valkey", "HGETEX h PERSIST FIELDS 2 b a", "told of those, too, that had no time to live"),
    Difference("valkey", "HGETDEL h FIELDS 1 b", "told as HDEL, which every server has"),
    Difference("redis", "XREADGROUP GROUP g d STREAMS s >", _READ),
)

#: Scenes: commands by several clients, "name: command"; `name! command` waits for a key. The first client has no name.
SCENES: Final[dict[str, tuple[str, ...]]] = {
    "strings": (
        "SET a 1 EX 100",
        "SET a 1 PX 100 NX",
        "SET a 1 PXAT 9999999999999",
        "SET a 1 EXAT 9999999999",
        "SET past 1 PXAT 5",
        "SET a 1 GET",
        "SET a 2 KEEPTTL",
        "SET a 1 XX GET EX 100",
        "SET a 1 NX GET",
        "set a 1 xx get keepttl",
        "SETEX a 100 x",
        "PSETEX a 100000 x",
        "GETEX a PX 1000000",
        "GETEX a EXAT 9999999999",
        "GETEX a PERSIST",
        "GETEX a PERSIST",
        "GETEX a",
        "GETEX a PXAT 5",
        "SET a 1",
        "GETSET a 2",
        "GETDEL a",
        "GETDEL a",
        "INCRBYFLOAT f 1.5",
        "SETNX a 1",
        "SETNX a 1",
        "MSET a 1 b 2",
        "MSETNX a 1 c 2",
        "APPEND a x",
        "SETRANGE a 5 x",
        "SETRANGE a 5 ''",
        "INCR n",
        "DECRBY n 5",
        "SETBIT bits 5 1",
        "BITFIELD bits GET u8 0",
        "BITFIELD bits SET u8 0 5",
        "BITOP NOT other bits",
        "LCS a b",
        "GET a",
    ),
    "valkey's strings": ("SET b 1", "DELIFEQ b 2", "DELIFEQ b 1"),
    "several strings": ("MSETEX 1 a 1 EX 100", "MSETEX 2 a 1 b 2 NX PX 100000", "MSETEX 2 a 1 b 2 KEEPTTL"),
    "expiry": (
        "SET a 1",
        "EXPIRE a 100",
        "EXPIRE a 1000 GT",
        "EXPIRE a 10 GT",
        "PEXPIRE a 500000",
        "EXPIREAT a 9999999999",
        "PERSIST a",
        "PERSIST a",
        "EXPIRE a -1",
        "EXPIRE a 10",
        "SET a 1",
        "PEXPIREAT a 5",
        "SET b 1 PX 5",
        "LPUSH c 1",
        "PEXPIRE c 5",
        "SET d 1 PX 5",
        "SET e 1 PX 5",
        "WAIT A MOMENT",
        "GET b",
        "LPUSH c 2",
        "SET d 1",
        "MULTI",
        "INCR n",
        "EXISTS e",
        "EXEC",
    ),
    "keys": (
        "SET a 1",
        "COPY a b",
        "COPY a b",
        "COPY a b REPLACE",
        "COPY a b DB 1",
        "RENAME b c",
        "RENAMENX c a",
        "MOVE c 1",
        "SELECT 1",
        "MOVE c 0",
        "DEL c no",
        "DEL c",
        "SELECT 0",
        "UNLINK c no",
        "TOUCH a",
        "RPUSH l 3 1 2",
        "SORT l STORE sorted",
        "SORT no STORE sorted",
        "SORT nothing STORE sorted",
        "SWAPDB 0 1",
        "SWAPDB 1 0",
        "FLUSHDB",
        "FLUSHALL ASYNC",
        "FLUSHALL",
    ),
    "restoring": (
        "SET a 1",
        "RESTORE b 0 PAYLOAD",
        "RESTORE b 100000 PAYLOAD REPLACE",
        "RESTORE b 9999999999999 PAYLOAD REPLACE ABSTTL",
        "RESTORE b 100000 PAYLOAD REPLACE IDLETIME 5",
        "RESTORE b 5 PAYLOAD REPLACE ABSTTL",
        "RESTORE gone 5 PAYLOAD REPLACE ABSTTL",
    ),
    "lists": (
        "RPUSH l 1 2 3 4 5 6 7 8 9",
        "LPUSHX no 1",
        "LMPOP 2 no l LEFT COUNT 2",
        "LMPOP 1 l RIGHT",
        "LMPOP 1 no RIGHT",
        "BLPOP no l 0",
        "BRPOP l 0",
        "BLMOVE l m LEFT RIGHT 0",
        "BRPOPLPUSH l m 0",
        "LMOVE l m LEFT LEFT",
        "RPOPLPUSH l m",
        "BLMPOP 0 1 m LEFT COUNT 10",
        "LPOP l",
        "LPOP l 5",
        "RPUSH l a b c",
        "LREM l 0 b",
        "LREM l 0 b",
        "LTRIM l 0 0",
        "LSET l 0 x",
        "LINSERT l BEFORE x y",
        "LINSERT l BEFORE no y",
    ),
    "lists waited for": (
        "b! BLPOP no l 0",
        "RPUSH l 1",
        "b! BRPOP l 0",
        "RPUSH l 1 2",
        "b! BLMOVE l2 m LEFT RIGHT 0",
        "RPUSH l2 1 2",
        "b! BRPOPLPUSH l3 m 0",
        "c! BLMPOP 0 1 l3 LEFT COUNT 2",
        "MULTI",
        "RPUSH l3 1 2 3",
        "SET x 1",
        "EXEC",
        "b! BLMOVE l4 l5 LEFT RIGHT 0",
        "c! BLPOP l5 0",
        "EVAL \"redis.call('RPUSH', 'l4', 1) redis.call('SET', 'y', 1)\" 0",
        "b! BLPOP l6 0.01",
        "WAIT A MOMENT",
    ),
    "sets": (
        "SADD s a b",
        "SADD s a b",
        "SMOVE s t a",
        "SMOVE s t a",
        "SPOP s",
        "SADD s a b c",
        "SPOP s 10",
        "SPOP s 10",
        "SADD s a",
        "SREM s x",
        "SREM s a",
        "SADD s a b",
        "SINTERSTORE d s s",
        "SINTERSTORE d s no",
        "SRANDMEMBER s 2",
    ),
    "sorted sets": (
        "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f",
        "ZADD z NX 1 a",
        "ZADD z XX CH 1.5 a",
        "ZADD z INCR 1 a",
        "ZINCRBY z 1.1 a",
        "ZINCRBY z 0 a",
        "ZMPOP 1 z MIN COUNT 2",
        "ZMPOP 2 no z MAX",
        "BZPOPMIN z 0",
        "BZPOPMAX no z 0",
        "BZMPOP 0 1 z MAX COUNT 10",
        "ZADD z 1 a 2 b 3 c",
        "ZPOPMIN z",
        "ZPOPMAX z 5",
        "ZREMRANGEBYSCORE z 0 1",
        "ZUNIONSTORE d 1 z",
        "b! BZPOPMIN w 0",
        "c! BZMPOP 0 1 w MAX COUNT 2",
        "ZADD w 1 a 2 b 3 c 4 d",
        "GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b",
        "GEOADD g XX CH 13.361389 38.2 a",
        "GEORADIUS g 13 38 200 km STORE g2",
        "GEOSEARCHSTORE g3 g FROMMEMBER a BYRADIUS 500 km",
    ),
    "hashes": (
        "HSET h a 1 b 2 c 3",
        "HSETNX h a 1",
        "HINCRBY h a 1",
        "HINCRBYFLOAT h b 1.5",
        "HDEL h x",
        "HDEL h a b c",
    ),
    "fields": (
        "HSET h a 1 b 2 c 3 d 4",
        "HEXPIRE h 100 FIELDS 2 a b",
        "HEXPIRE h 100 NX FIELDS 3 a b c",
        "HPEXPIRE h 100000 XX FIELDS 1 d",
        "HINCRBYFLOAT h a 1.5",
        "HPEXPIREAT h 9999999999999 FIELDS 1 a",
        "HPEXPIRE h 0 FIELDS 2 a no",
        "HPERSIST h FIELDS 1 b",
        "HPERSIST h FIELDS 1 b",
    ),
    "fields that are read": (
        "HSET h a 1 b 2",
        "HGETEX h EX 100 FIELDS 2 b no",
        "HGETEX h PERSIST FIELDS 2 b a",
    ),
    "fields that are set": (
        "HSETEX h EX 100 FIELDS 1 b 3",
        "HSETEX h FNX FIELDS 1 b 3",
        "HGETDEL h FIELDS 1 b",
    ),
    "entries": (
        "XADD s * a 1",
        "XADD s 99999999999999-* a 1",
        "XADD t 5-* a 1",
        "XADD t 5 a 1",
        "XADD t 6 a 1",
        "XADD t MAXLEN ~ 1 * a 1",
        "XADD t MAXLEN ~ 0 LIMIT 10 * a 1",
        "XADD t MAXLEN 1 9999999999999-1 a 1",
        "XTRIM t MAXLEN ~ 0 LIMIT 5",
        "XTRIM t MAXLEN 0",
        "XADD t MINID = 9999999999999-3 9999999999999-5 a 2",
        "XADD t NOMKSTREAM 9999999999999-6 a 2",
        "XADD no NOMKSTREAM 1-1 a 2",
        "XDEL t 9999999999999-6 1-1",
        "XDEL t 1-1",
        "XSETID t 9999999999999-9",
        "b! XREAD BLOCK 0 STREAMS t $",
        "XADD t 9999999999999-10 a 1",
    ),
    "groups": (
        "XADD s 9999999999999-5 a 1",
        "XGROUP CREATE s g 0",
        "XGROUP CREATE new g $ MKSTREAM",
        "XREADGROUP GROUP g c STREAMS s >",
        "XREADGROUP GROUP g nobody STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s 0",
        "XADD s 9999999999999-6 a 1",
        "XADD s 9999999999999-7 a 1",
        "XREADGROUP GROUP g quiet NOACK COUNT 1 STREAMS s >",
        "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
        "XCLAIM s g d 0 9999999999999-5 1-1",
        "XCLAIM s g d 0 9999999999999-6",
        "XCLAIM s g d 0 9999999999999-5 9999999999999-7 JUSTID",
        "XCLAIM s g d 0 9999999999999-5 RETRYCOUNT 7 IDLE 5000 LASTID 99999999999998-0",
        "XACK s g 9999999999999-7",
        "XACK s g 9999999999999-7",
        "XDEL s 9999999999999-5",
        "XCLAIM s g d 0 9999999999999-5 JUSTID",
        "XGROUP CREATECONSUMER s g zed",
        "XGROUP CREATECONSUMER s g zed",
        "XGROUP DELCONSUMER s g zed",
        "XGROUP SETID s g $",
        "XGROUP SETID s g 9999999999999-6 ENTRIESREAD 2",
        "b! XREADGROUP GROUP g d BLOCK 0 STREAMS new >",
        "XADD new 9999999999999-1 a 1",
        "XREADGROUP GROUP g d STREAMS s >",
        "XDEL s 9999999999999-7",
        "XAUTOCLAIM s g d 0 0",
        "XGROUP DESTROY s g",
        "XGROUP DESTROY s g",
    ),
    "hyperloglogs": (
        "PFADD p a b",
        "PFADD p a",
        "PFCOUNT p",
        "PFCOUNT p",
        "PFADD q c",
        "PFMERGE p q",
        "PFCOUNT p q",
    ),
    "messages": ("PUBLISH a b", "SPUBLISH a b", "MULTI", "PUBLISH a b", "EXEC", "SUBSCRIBE x"),
    "transactions": (
        "MULTI",
        "SET a 1 EX 100",
        "GET a",
        "SELECT 1",
        "INCR n",
        "LPUSH n 1",
        "EXEC",
        "MULTI",
        "SET a 1",
        "EXEC",
        "MULTI",
        "GET a",
        "EXEC",
        "MULTI",
        "SET a 1",
        "DISCARD",
        "SELECT 0",
    ),
    "scripts": (
        "EVAL \"redis.call('SET', 'k', 1, 'EX', 100) return redis.call('INCRBYFLOAT', 'f', '1.5')\" 0",
        "EVAL \"return redis.call('GET', 'k')\" 0",
        "EVAL \"redis.call('SELECT', 5) return redis.call('SET', 'k', 1)\" 0",
        "EVAL \"redis.call('SET', 'k', 1) redis.call('INCR', 'k') redis.call('LPUSH', 'k', 1)\" 0",
        "EVAL \"redis.call('PUBLISH', 'a', 'b')\" 0",
        "SCRIPT LOAD 'return 1'",
        "SCRIPT FLUSH",
        "MULTI",
        "SET a 1",
        "EVAL \"redis.call('SET', 'k', 1)\" 0",
        "EXEC",
    ),
    "functions": (
        "FUNCTION LOAD \"#!lua name=lib\nredis.register_function('f', function(k) redis.call('SET', k[1], 1) "
        "redis.call('SADD', 's', 'a') return redis.call('SPOP', 's') end)\"",
        "FCALL f 1 a",
        "FUNCTION DELETE lib",
        "FUNCTION DELETE lib",
        "FUNCTION FLUSH",
    ),
}


class Side:
    """Some clients of a server, and what it tells its replicas."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.payload = b""

    def connect(self) -> Any:
        raise NotImplementedError

    def read(self) -> Any:
        raise NotImplementedError

    def waiting(self) -> int:
        raise NotImplementedError

    def pause(self) -> None:
        """Let some milliseconds pass."""
        raise NotImplementedError

    def arguments(self, text: str) -> list[Any]:
        return [self.payload if word == "PAYLOAD" else word for word in shlex.split(text)]

    def do(self, step: str) -> list[list[tuple[bytes, list[bytes]]]]:
        """Do one step of a scene; what is told of it."""
        name, mark, text = step.partition("! ")
        if not mark:
            name, text = "", step
        if text == "WAIT A MOMENT":
            self.pause()
        else:
            client = self.clients.setdefault(name, None) or self.connect()
            self.clients[name] = client
            held = self.waiting()
            client.send(*self.arguments(text))
            if mark:
                deadline = time.monotonic() + 60
                while self.waiting() <= held:
                    assert time.monotonic() < deadline, f"{text} does not wait"
            else:
                client.receive()
        return in_units(self.read(), b"0")

    def begin(self) -> None:
        self.clients = {"": self.connect()}
        for command in (("FLUSHALL",), ("FUNCTION", "FLUSH"), ("SET", "payload", "x"), ("DUMP", "payload")):
            self.payload = self.clients[""].execute(*command)
        self.clients[""].execute("DEL", "payload")
        self.read()

    def end(self) -> None:
        for client in self.clients.values():
            client.close()


class OurSide(Side):
    def __init__(self) -> None:
        super().__init__()
        self.client = EngineClient()
        self.engine = self.client.engine
        self.engine.keyspace.active_expiry = False
        self.units: list[Unit] = []
        self.engine.propagation.add_sink(self.units.append)

    def connect(self) -> EngineClient:
        return EngineClient(self.engine)

    def read(self) -> Any:
        self.engine.run_due()
        self.engine.flush()
        units, self.units[:] = list(self.units), []
        return commands_of(units)

    def waiting(self) -> int:
        return sum(session.waiter is not None for session in self.engine.sessions.values())

    def pause(self) -> None:
        """The other one has waited already."""


class TheirSide(Side):
    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.observer = RealClient(port)
        self.observer.execute("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        listed = {name.decode() for name in self.observer.execute("COMMAND", "LIST")}
        self.known = listed & {name.partition("|")[0] for name in commands_of_pulsards()}
        self.feed = Feed(port)
        self.feed.read()

    def connect(self) -> RealClient:
        return RealClient(self.port)

    def read(self) -> Any:
        return self.feed.read()

    def waiting(self) -> int:
        shown = self.observer.execute("INFO", "clients")
        return int(shown.split(b"blocked_clients:")[1].split(b"\r")[0])

    def pause(self) -> None:
        self.observer.execute("DEBUG", "SLEEP", "0.02")

    def knows(self, scene: tuple[str, ...]) -> bool:
        texts = (step.partition("! ")[2] or step for step in scene)
        return all(text.split(" ")[0].lower() in self.known for text in texts if text != "WAIT A MOMENT")


@pytest.fixture(scope="module", params=["valkey", "redis"])
def theirs(request: pytest.FixtureRequest) -> Iterator[TheirSide | None]:
    binary = valkey_binary() if request.param == "valkey" else redis_binary()
    if binary is None:
        yield None
        return
    options = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--shutdown-timeout", "0"]
    with run_server(binary, *options) as server:
        side = TheirSide(server.port)
        yield side
        side.feed.close()
        side.observer.close()


def comparable(units: list[list[tuple[bytes, list[bytes]]]], step: str) -> list[Any]:
    """What was told, without what may be another way of saying it."""
    found: list[Any] = []
    for unit in units:
        told: list[Any] = []
        for index, command in unit:
            words = [word.upper() for word in command]
            if words[0] == b"UNLINK" and "UNLINK" not in step:
                words[0] = b"DEL"  # see above
            if words[0] == b"RESTORE":
                words[3] = b"PAYLOAD"  # each server has its own version of it
            told += ((index, [words[0], *part]) for part in _parts(words))
        found.append(told)
    return found


def _parts(command: list[bytes]) -> list[list[bytes]]:
    """The arguments; of an XCLAIM of several entries, which is told at once here, one list for each."""
    if command[0] != b"XCLAIM" or b"TIME" not in command:
        return [command[1:]]
    end = command.index(b"TIME")
    return [[*command[1:5], number, *command[end:]] for number in command[5:end]]


def same(ours: Any, theirs: Any) -> bool:
    """Equal, but for moments that are close to each other."""
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    mine, _, rest = ours.partition(b"-")
    other, _, their_rest = theirs.partition(b"-")
    if ours != theirs and mine.isdigit() and other.isdigit() and int(mine) > _FIRST_MOMENT:
        # Of two IDs, how many entries came in the same millisecond is chance.
        return abs(int(mine) - int(other)) < _TOLERANCE and bool(rest) == bool(their_rest)
    return bool(ours == theirs)


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_told_is_the_same(
    scene: str, theirs: TheirSide | None, request: pytest.FixtureRequest
) -> None:
    if theirs is None or not theirs.knows(SCENES[scene]):
        return
    server = request.node.callspec.params["theirs"]
    known = {row.command: row.reason for row in DIFFERENCES if row.server in (server, "both")}
    ours = OurSide()
    for side in (ours, theirs):
        side.begin()
    try:
        for step in SCENES[scene]:
            other = comparable(theirs.do(step), step)
            mine = comparable(ours.do(step), step)
            if step in known:
                assert not same(mine, other), (
                    f"{step} is told as by {server} after all ({known[step]}): {mine}"
                )
            else:
                assert same(mine, other), f"{step}: pulsards tells {mine}, {server} {other}"
    finally:
        theirs.end()


def test_every_difference_is_looked_at() -> None:
    steps = {step for scene in SCENES.values() for step in scene}
    assert {row.command for row in DIFFERENCES} <= steps
