"""The namespace, held against a real Valkey: what a namespaced view says is what a bare database would say (F25)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import hiredis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anystore.exceptions import InvalidArgument
from anystore.redis.namespace import Namespace
from anystore.resp.types import MapReply
from anystore.spec import key_positions, specs
from tests.servers import RealServer
from tests.spec.wire import Wire

# Without a star or a NUL, then with them: SORT's patterns are refused with the latter.
PLAIN = [b"test_", b"k", b"QUEUED:", b"a?[b]\\", b"->{x}\xff", b"STORE"]
HOSTILE = [b"*", b"te*st_", b"n\0s"]

KEYS = [b"k", b"k1", b"k2", b"k3", b"STORE", b"streams", b"*", b"[k]", b"", b"\xff\0", b"test_k"]
PATTERNS = [b"*", b"k*", b"k?", b"[k]", b"\\*", b"\\[k\\]", b"", b"te[st]t_*", b"*k*", b"[^k]*", b"\\"]

# K a key, C how many keys with the keys, V a value, M a member, N a number, P a pattern, S one for SORT, I an ID.
COMMANDS = """
SET K V|SET K V GET|SETEX K 100 V|SETNX K V|GET K|GETSET K V|GETDEL K|GETEX K PERSIST|APPEND K V|STRLEN K|INCR K
INCRBY K N|DECR K|INCRBYFLOAT K 1.5|GETRANGE K 0 3|SETRANGE K N V|MGET K K K|MSET K V K V|MSETNX K V K V
MSETEX 2 K V K V NX|LCS K K LEN|DELIFEQ K V
DEL K K|UNLINK K|EXISTS K K|TYPE K|RENAME K K|RENAMENX K K|COPY K K|COPY K K REPLACE|TOUCH K K|EXPIRE K 100
PERSIST K|TTL K|EXPIRETIME K|OBJECT ENCODING K|OBJECT REFCOUNT K|KEYS P|SCAN 0 COUNT 1000|SCAN 0 MATCH P COUNT 1000
SCAN 0 MATCH P MATCH P COUNT 1000 TYPE string|SCAN 0 MATCH|SCAN 0 NOSUCH|SCAN|SCAN x|KEYS|KEYS a b|DUMP K
DBSIZE|DBSIZE x|RANDOMKEY|RANDOMKEY x|FLUSHDB|FLUSHDB SYNC|FLUSHDB async|MOVE K 15|WATCH K|UNWATCH
SETBIT K N 1|GETBIT K N|BITCOUNT K|BITOP OR K K K|BITPOS K 1|BITFIELD K INCRBY u8 0 1 GET u8 0
HSET K M V M V|HGET K M|HDEL K M|HGETALL K|HKEYS K|HLEN K|HMGET K M M|HINCRBY K M N|HSCAN K 0|HEXPIRE K 9 FIELDS 1 M
LPUSH K V M|RPUSH K M V|LPOP K|RPOP K 2|LRANGE K 0 -1|LLEN K|LINDEX K 0|LSET K 0 V|LINSERT K BEFORE V M|LREM K 0 V
LMOVE K K LEFT RIGHT|RPOPLPUSH K K|LMPOP C LEFT COUNT 2|BLPOP K K 0.01|BRPOP K 0.01|BLMOVE K K LEFT LEFT 0.01
BRPOPLPUSH K K 0.01|BLMPOP 0.01 C RIGHT|LPOS K M
SADD K M M|SREM K M|SMEMBERS K|SCARD K|SISMEMBER K M|SMOVE K K M|SINTER K K|SUNION K K|SDIFF K K|SUNIONSTORE K K K
SINTERSTORE K K K|SDIFFSTORE K K K|SINTERCARD C|SSCAN K 0
ZADD K N M N M|ZSCORE K M|ZRANGE K 0 -1 WITHSCORES|ZRANGESTORE K K 0 -1|ZREM K M|ZCARD K|ZRANK K M|ZUNIONSTORE K C
ZINTERSTORE K C AGGREGATE MAX|ZDIFFSTORE K C|ZUNION C WITHSCORES|ZINTER C|ZDIFF C|ZINTERCARD C LIMIT 1|ZPOPMIN K
BZPOPMIN K K 0.01|BZPOPMAX K 0.01|ZMPOP C MIN|BZMPOP 0.01 C MAX COUNT 2|ZMSCORE K M M|ZSCAN K 0
GEOADD K 1 2 M 3 4 M|GEOPOS K M|GEODIST K M M|GEOSEARCH K FROMLONLAT 1 2 BYRADIUS 900 km ASC
GEOSEARCHSTORE K K FROMLONLAT 1 2 BYRADIUS 900 km|GEORADIUS K 1 2 900 km STORE K|GEORADIUS K 1 2 900 km STORE K STORE K
GEORADIUSBYMEMBER K M 900 km STOREDIST K|GEORADIUSBYMEMBER_RO K M 9 km
PFADD K M|PFCOUNT K K|PFMERGE K K|PFMERGE K
XADD K I f V|XLEN K|XRANGE K - +|XDEL K I|XREAD STREAMS K K 0 0|XREAD COUNT 1 STREAMS K I|XREAD BLOCK 1 STREAMS K $
XGROUP CREATE K streams 0 MKSTREAM|XREADGROUP GROUP streams STREAMS STREAMS K >|XACK K streams I|XPENDING K streams
XREADGROUP COUNT 1 GROUP streams streams STREAMS K K > 0|XINFO STREAM K|XINFO GROUPS K|XAUTOCLAIM K streams c 0 0
XREAD STREAMS K K 0|XTRIM K MAXLEN 2|XGROUP DESTROY K streams
SORT K ALPHA|SORT K BY nosort GET #|SORT K BY S GET S GET # GET nosuch ALPHA|SORT K ALPHA STORE K|SORT K BY S STORE K
SORT_RO K BY S GET S LIMIT 0 2|SORT K GET S LIMIT 0 5 STORE STORE STORE K|SORT K GET|SORT K LIMIT 0
EVAL script0 0 V|EVAL script2 2 K K V|EVAL script2 2 K|EVAL script2 x K|EVAL_RO script1 1 K|EVALSHA nosuch 1 K
GET|SET K|MGET|DEL|OBJECT ENCODING|OBJECT|ZUNIONSTORE K 9 K|LMPOP 0 K LEFT|XREAD|RENAME K|BLPOP K|PUBSUB NUMSUB K
COMMAND GETKEYS MSET K V K V|COMMAND GETKEYSANDFLAGS SET K V|PING|ECHO V|TIME x|CLIENT GETNAME|CONFIG GET maxmemory
DEBUG OBJECT nosuch|DEBUG DIGEST-VALUE K K|ACL DRYRUN default GET K|ACL DRYRUN default PUBLISH K V
""".replace("\n", "|")
TEMPLATES = [line.encode().split() for line in COMMANDS.strip("|").split("|")]
SCRIPTS = {
    b"script0": b"return ARGV[1]",
    b"script1": b"return redis.call('EXISTS', KEYS[1])",
    b"script2": b"redis.call('SET', KEYS[1], ARGV[1]) return {redis.call('EXISTS', KEYS[2]), #KEYS}",
}
WORDS: dict[bytes, st.SearchStrategy[list[bytes]]] = {
    b"K": st.sampled_from(KEYS).map(lambda key: [key]),
    b"C": st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(
        lambda keys: [b"%d" % len(keys), *keys]
    ),
    b"V": st.sampled_from([b"v", b"w", b"7", b""]).map(lambda value: [value]),
    b"M": st.sampled_from([b"1", b"2", b"k1", b"k2", b""]).map(lambda member: [member]),
    b"N": st.integers(0, 9).map(lambda number: [b"%d" % number]),
    b"I": st.integers(1, 9).map(lambda number: [b"%d-1" % number]),
    b"P": st.sampled_from(PATTERNS).map(lambda pattern: [pattern]),
    b"S": st.sampled_from([b"k*", b"*", b"k*->1", b"nostar", b"k\0*", b"#"]).map(lambda pattern: [pattern]),
}


@st.composite
def calls(draw: st.DrawFn) -> list[bytes]:
    """A command, well-formed or not, about a few keys of every type."""
    args = []
    for word in draw(st.sampled_from(TEMPLATES)):
        args += draw(WORDS[word]) if word in WORDS else [SCRIPTS.get(word, word)]
    return args


UNORDERED = {b"KEYS", b"HGETALL", b"HKEYS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"RANDOMKEY"}


def comparable(args: list[bytes], reply: Any) -> Any:
    """A reply without what may differ from one database to another: the order of what has none."""
    if isinstance(reply, Exception):
        # This one quotes the key, by the server's name for it.
        return "NOGROUP" if str(reply).startswith("NOGROUP") else str(reply)
    name = args[0].upper()
    if name == b"RANDOMKEY" and len(args) == 1:
        return type(reply)
    if name in (b"SCAN", b"HSCAN", b"SSCAN") and isinstance(reply, list):
        return [reply[0], sorted(map(repr, reply[1]))]
    if name in UNORDERED:
        return sorted(map(repr, reply)) if isinstance(reply, list | set) else reply
    return reply


def foreign_keys(prefix: bytes) -> list[bytes]:
    """Keys that are not of the namespace, as near to it as can be; and keys that the bare view may use."""
    near = {prefix[:-1], prefix.swapcase(), b"x" + prefix + b"k", prefix[:-1] + b"~k", b"\\" + prefix + b"k"}
    return sorted(key for key in near | set(KEYS) if not key.startswith(prefix))


@contextlib.contextmanager
def views(port: int, protocol: int, prefix: bytes) -> Iterator[tuple[Wire, Wire, Namespace, list[bytes]]]:
    """A bare view of an empty database, and a connection to another that holds foreign keys only."""
    with Wire(port, protocol) as bare, Wire(port, protocol) as shared:
        bare.call(b"FLUSHALL")
        bare.call(b"SELECT", b"1")
        foreign = foreign_keys(prefix)
        shared.call_all([(b"SET", key, b"foreign") for key in foreign])
        yield bare, shared, Namespace(prefix), foreign


def run(wire: Wire, namespace: Namespace, args: list[bytes]) -> Any:
    """A command through the namespace, as a client would."""
    before = args.copy()
    reply = wire.call(*namespace.outgoing(args))
    assert args == before
    return namespace.incoming(args, reply)


class TestEqualToABareDatabase:
    @pytest.mark.parametrize("protocol", [2, 3])
    @settings(max_examples=120, deadline=None)
    @given(prefix=st.sampled_from(PLAIN + HOSTILE), commands=st.lists(calls(), min_size=1, max_size=25))
    def test_replies(
        self, valkey: RealServer, protocol: int, prefix: bytes, commands: list[list[bytes]]
    ) -> None:
        with views(valkey.port, protocol, prefix) as (bare, shared, namespace, foreign):
            for args in commands:
                try:
                    got = run(shared, namespace, args)
                except InvalidArgument:
                    assert prefix in HOSTILE
                    assert args[0] in (b"SORT", b"SORT_RO")
                    continue
                wanted = bare.call(*args)
                assert comparable(args, got) == comparable(args, wanted), args
            self.assert_apart(bare, shared, namespace, foreign)

    def assert_apart(self, bare: Wire, shared: Wire, namespace: Namespace, foreign: list[bytes]) -> None:
        """Foreign keys are as they were, and every other key is one of the bare view with the prefix."""
        values = shared.call_all([(b"GET", key) for key in foreign])
        assert values == [b"foreign"] * len(foreign)
        own = set(shared.call(b"KEYS", b"*")) - set(foreign)
        assert own == {namespace.key(key) for key in bare.call(b"KEYS", b"*")}

    @settings(max_examples=60, deadline=None)
    @given(
        prefixes=st.lists(st.sampled_from(PLAIN + HOSTILE), min_size=2, max_size=2, unique=True),
        commands=st.lists(calls(), min_size=1, max_size=20),
    )
    @example(prefixes=[b"*", b"te*st_"], commands=[[b"SET", b"k", b"v"], [b"FLUSHDB"]])
    def test_two_namespaces(
        self, valkey: RealServer, prefixes: list[bytes], commands: list[list[bytes]]
    ) -> None:
        first, second = map(Namespace, prefixes)
        with Wire(valkey.port) as wire:
            wire.call(b"FLUSHALL")
            run(wire, second, [b"SET", b"mine", b"1"])
            for args in commands:
                with contextlib.suppress(InvalidArgument):
                    run(wire, first, args)
            assert run(wire, second, [b"KEYS", b"*"]) == [b"mine"]
            assert run(wire, second, [b"GET", b"mine"]) == b"1"


class TestKeys:
    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(sorted(specs())), st.lists(st.sampled_from(KEYS), max_size=6), st.booleans())
    def test_by_the_table(self, name: str, rest: list[bytes], upper: bool) -> None:
        args = [*(name.upper() if upper else name).encode().split(b"|"), *rest]
        try:
            sent = Namespace(b"ns:").outgoing(args)
        except InvalidArgument:
            spec = specs()[name]
            assert spec.is_container or name in {"flushall", "swapdb", "cluster|flushslot", "flushdb"}
            return
        for position in key_positions(args):
            assert sent[position] == b"ns:" + args[position]

    def test_mixed_case(self) -> None:
        namespace = Namespace(b"ns:")
        for name in (b"gEt", b"GeT", b"get", b"GET"):
            assert namespace.outgoing([name, b"k"]) == [name, b"ns:k"]
            assert namespace.outgoing([b"oBject", b"Encoding", b"k"]) == [b"oBject", b"Encoding", b"ns:k"]

    def test_nothing_to_do(self) -> None:
        namespace = Namespace(b"ns:")
        args = [b"PING", b"hello"]
        assert namespace.outgoing(args) is args
        assert namespace.outgoing([]) == []
        assert namespace.reply_hook([]) is None
        assert namespace.reply_hook([b"GET", b"k"]) is None
        assert namespace.incoming([b"GET", b"k"], b"ns:v") == b"ns:v"

    def test_names(self) -> None:
        namespace = Namespace(b"n*:")
        assert namespace.prefix == b"n*:"
        assert namespace.key(b"k") == b"n*:k"
        assert namespace.strip_key(b"n*:k") == b"k"
        assert namespace.strip_key("n*:k") == "k"
        assert namespace.strip_key(b"nn:k") is None
        assert namespace.key_pattern(b"k*") == b"n\\*:k*"
        assert repr(namespace) == "Namespace(b'n*:')"

    def test_empty_prefix(self) -> None:
        with pytest.raises(ValueError, match="prefix"):
            Namespace(b"")


class TestRefused:
    @pytest.mark.parametrize(
        ("command", "named"),
        [
            (
                b"FLUSHALL",
                "FLUSHALL cannot be used in the namespace b'ns:': it would delete the keys of others",
            ),
            (b"swapdb 0 1", "SWAPDB cannot"),
            (b"CLUSTER FLUSHSLOT 1", "CLUSTER FLUSHSLOT cannot"),
            (b"DEBUG FLUSHALL", "DEBUG cannot be used in the namespace b'ns:': flushall would"),
            (b"DEBUG POPULATE 3", "populate would"),
            (
                b"JSON.SET k $ 1",
                "JSON.SET cannot be used in the namespace b'ns:': it is not in the command table",
            ),
            (b"OBJECT NOSUCH k", "OBJECT NOSUCH cannot"),
            (b"FLUSHDB NOW", "FLUSHDB takes ASYNC, SYNC or nothing"),
            (b"FLUSHDB ASYNC SYNC", "FLUSHDB takes"),
        ],
    )
    def test_reaches_beyond(self, command: bytes, named: str) -> None:
        namespace = Namespace(b"ns:")
        for _ in range(2):
            with pytest.raises(InvalidArgument) as caught:
                namespace.outgoing(command.split())
            assert str(caught.value).startswith(named) or named in str(caught.value)

    @pytest.mark.parametrize("prefix", HOSTILE)
    def test_sort_by_pattern(self, prefix: bytes) -> None:
        namespace = Namespace(prefix)
        for option in (b"BY", b"get"):
            with pytest.raises(InvalidArgument, match="SORT"):
                namespace.outgoing([b"SORT", b"k", option, b"w_*"])
        sent = namespace.outgoing([b"SORT", b"k", b"BY", b"nosort", b"GET", b"#"])
        assert sent == [b"SORT", prefix + b"k", b"BY", b"nosort", b"GET", b"#"]


class TestRewritten:
    @pytest.mark.parametrize(
        ("given_", "sent"),
        [
            ("KEYS k*", "KEYS n\\*:k*"),
            ("SCAN 0", "SCAN 0 MATCH n\\*:*"),
            ("scan 0 count 5 match k*", "scan 0 count 5 match n\\*:k*"),
            ("SCAN 0 TYPE match", "SCAN 0 TYPE match MATCH n\\*:*"),
            ("CLUSTERSCAN 0 SLOT 5", "CLUSTERSCAN 0 SLOT 5 MATCH n\\*:*"),
            ("SUBSCRIBE a b", "SUBSCRIBE n*:a n*:b"),
            ("UNSUBSCRIBE", "UNSUBSCRIBE"),
            ("SSUBSCRIBE a", "SSUBSCRIBE n*:a"),
            ("PSUBSCRIBE a* __key*__:*", "PSUBSCRIBE n\\*:a* __key*__:*"),
            ("PSUBSCRIBE __keyspace@*__:k* __keyspace@*", "PSUBSCRIBE __keyspace@*__:n\\*:k* __keyspace@*"),
            (
                "SUBSCRIBE __keyspace@0__:k __keyevent@0__:del",
                "SUBSCRIBE __keyspace@0__:n*:k __keyevent@0__:del",
            ),
            ("SUBSCRIBE __redis__:invalidate", "SUBSCRIBE __redis__:invalidate"),
            ("PUBLISH a b", "PUBLISH n*:a b"),
            ("PUBLISH __keyevent@0__:del k", "PUBLISH __keyevent@0__:del n*:k"),
            ("PUBLISH", "PUBLISH"),
            ("SPUBLISH a b", "SPUBLISH n*:a b"),
            ("PUBSUB CHANNELS", "PUBSUB CHANNELS n\\*:*"),
            ("PUBSUB shardchannels a?", "PUBSUB shardchannels n\\*:a?"),
            ("PUBSUB NUMSUB a b", "PUBSUB NUMSUB n*:a n*:b"),
            ("PUBSUB NUMPAT", "PUBSUB NUMPAT"),
            ("CLIENT TRACKING ON", "CLIENT TRACKING ON"),
            ("CLIENT TRACKING ON BCAST REDIRECT 5", "CLIENT TRACKING ON BCAST REDIRECT 5 PREFIX n*:"),
            (
                "CLIENT TRACKING ON BCAST PREFIX a PREFIX b",
                "CLIENT TRACKING ON BCAST PREFIX n*:a PREFIX n*:b",
            ),
            ("ACL DRYRUN u OBJECT ENCODING k", "ACL DRYRUN u OBJECT ENCODING n*:k"),
            ("ACL DRYRUN u PUBLISH a b", "ACL DRYRUN u PUBLISH n*:a b"),
            ("ACL DRYRUN u NOSUCH a", "ACL DRYRUN u NOSUCH a"),
            ("ACL DRYRUN u", "ACL DRYRUN u"),
            ("CLUSTER KEYSLOT k", "CLUSTER KEYSLOT n*:k"),
            ("CONFIG", "CONFIG"),
            ("DEBUG", "DEBUG"),
            ("DEBUG SLEEP 0", "DEBUG SLEEP 0"),
            ("DEBUG LISTPACK a b", "DEBUG LISTPACK n*:a b"),
            ("DEBUG DIGEST-VALUE a b", "DEBUG DIGEST-VALUE n*:a n*:b"),
            ("COMMAND GETKEYS GET k", "COMMAND GETKEYS GET k"),
            ("MIGRATE h 1 k 0 9 KEYS a b", "MIGRATE h 1 k 0 9 KEYS n*:a n*:b"),
            ("FCALL f 2 a b c", "FCALL f 2 n*:a n*:b c"),
        ],
    )
    def test_arguments(self, given_: str, sent: str) -> None:
        args = given_.encode().split()
        assert Namespace(b"n*:").outgoing(args) == sent.encode().split()
        assert args == given_.encode().split()

    def test_randomkey(self, valkey: RealServer, redis_server: RealServer | None) -> None:
        namespace = Namespace(b"ns:")
        for server in filter(None, (valkey, redis_server)):
            with Wire(server.port) as wire:
                wire.call(b"FLUSHALL")
                wire.call(b"SET", b"foreign", b"1")
                assert run(wire, namespace, [b"RANDOMKEY"]) is None
                for key in (b"a", b"b", b"c"):
                    run(wire, namespace, [b"SET", key, b"1"])
                assert {run(wire, namespace, [b"randomkey"]) for _ in range(200)} == {b"a", b"b", b"c"}

    @pytest.mark.parametrize("how", [[], [b"SYNC"], [b"async"]])
    def test_flushdb_of_many(
        self, valkey: RealServer, redis_server: RealServer | None, how: list[bytes]
    ) -> None:
        namespace = Namespace(b"n?s:")
        for server in filter(None, (valkey, redis_server)):
            with Wire(server.port) as wire:
                wire.call(b"FLUSHALL")
                for prefix, count in ((b"n?s:", 20_000), (b"nxs:", 100)):
                    wire.call(b"MSET", *[word for n in range(count) for word in (prefix + b"%d" % n, b"v")])
                assert run(wire, namespace, [b"DBSIZE"]) == 20_000
                assert run(wire, namespace, [b"FLUSHDB", *how]) == b"OK"
                assert run(wire, namespace, [b"DBSIZE"]) == 0
                assert wire.call(b"DBSIZE") == 100

    def test_in_a_transaction(self, valkey: RealServer) -> None:
        namespace = Namespace(b"ns:")
        queued = [
            [b"SET", b"k", b"v"],
            [b"DBSIZE"],
            [b"RANDOMKEY"],
            [b"KEYS", b"*"],
            [b"FLUSHDB"],
            [b"DBSIZE"],
        ]
        with Wire(valkey.port) as wire:
            wire.call(b"FLUSHALL")
            wire.call(b"MULTI")
            assert [wire.call(*namespace.outgoing(args)) for args in queued] == [b"QUEUED"] * len(queued)
            replies = wire.call(b"EXEC")
        bare = [namespace.incoming(args, reply) for args, reply in zip(queued, replies, strict=True)]
        assert bare == [b"OK", 1, b"k", [b"k"], b"OK", 0]


class TestReplies:
    @pytest.mark.parametrize(
        ("command", "reply", "bare"),
        [
            ("KEYS *", [b"ns:a", b"foreign"], [b"a"]),
            ("keys *", ["ns:a", "ns:b"], ["a", "b"]),
            ("KEYS *", b"QUEUED", b"QUEUED"),
            ("SCAN 0", [b"0", [b"ns:a"]], [b"0", [b"a"]]),
            ("SCAN 0", b"QUEUED", b"QUEUED"),
            ("RANDOMKEY", None, None),
            ("RANDOMKEY", "ns:a", "a"),
            ("BLPOP a 0", None, None),
            ("BLPOP a 0", [b"ns:a", b"ns:v"], [b"a", b"ns:v"]),
            ("LMPOP 1 a LEFT", [b"ns:a", [b"ns:v"]], [b"a", [b"ns:v"]]),
            ("BZPOPMIN a 0", ["ns:a", "m", 1.5], ["a", "m", 1.5]),
            ("XREAD STREAMS a 0", {b"ns:a": [[b"1-1", [b"f", b"v"]]]}, {b"a": [[b"1-1", [b"f", b"v"]]]}),
            (
                "XREAD STREAMS a 0",
                [[b"ns:a", [[b"1-1", [b"ns:f", b"v"]]]]],
                [[b"a", [[b"1-1", [b"ns:f", b"v"]]]]],
            ),
            ("XREADGROUP", MapReply([(b"ns:a", [])]), MapReply([(b"a", [])])),
            ("XREAD STREAMS a 0", None, None),
            ("PUBSUB CHANNELS", [b"ns:a", b"__keyspace@0__:ns:b", b"foreign"], [b"a", b"__keyspace@0__:b"]),
            ("PUBSUB NUMSUB a b", [b"ns:a", 1, b"ns:b", 0], [b"a", 1, b"b", 0]),
            ("PUBSUB NUMSUB a", {"ns:a": 1}, {"a": 1}),
            ("PUBSUB CHANNELS", b"QUEUED", b"QUEUED"),
            ("PUBSUB NUMSUB", b"QUEUED", b"QUEUED"),
            ("PUBSUB NUMPAT", 3, 3),
            ("PUBSUB", b"error", b"error"),
            (
                "CLIENT TRACKINGINFO",
                {b"redirect": 0, b"prefixes": [b"ns:"]},
                {b"redirect": 0, b"prefixes": [b""]},
            ),
            (
                "CLIENT TRACKINGINFO",
                ["flags", ["bcast"], "prefixes", ["ns:a", "x"]],
                ["flags", ["bcast"], "prefixes", ["a"]],
            ),
            ("CLIENT TRACKINGINFO", b"QUEUED", b"QUEUED"),
            ("CLIENT LIST", b"ns:a", b"ns:a"),
            ("CLUSTER GETKEYSINSLOT 1 10", [b"ns:a", b"b"], [b"a"]),
            ("LRANGE a 0 -1", [b"ns:a"], [b"ns:a"]),
        ],
    )
    def test_shapes(self, command: str, reply: Any, bare: Any) -> None:
        found = Namespace(b"ns:").incoming(command.encode().split(), reply)
        assert found == bare
        assert type(found) is type(bare)

    def test_errors_come_through(self) -> None:
        error = hiredis.ReplyError("ERR no")
        for name in (b"KEYS", b"SCAN", b"BLPOP", b"XREAD", b"RANDOMKEY", b"LMPOP"):
            assert Namespace(b"ns:").incoming([name], error) is error

    def test_decoded_by_another_encoding(self) -> None:
        namespace = Namespace("ü*:".encode("latin-1"), "latin-1")
        assert namespace.strip_key("ü*:k") == "k"
        assert namespace.strip_pattern("ü\\*:k*") == "k*"


class TestPush:
    @pytest.mark.parametrize(
        ("message", "bare"),
        [
            ([b"subscribe", b"ns:a", 1], [b"subscribe", b"a", 1]),
            (["unsubscribe", "ns:a", 0], ["unsubscribe", "a", 0]),
            ([b"unsubscribe", None, 0], [b"unsubscribe", None, 0]),
            ([b"psubscribe", b"ns:a*", 1], [b"psubscribe", b"a*", 1]),
            ([b"psubscribe", b"__key*", 1], [b"psubscribe", b"__key*", 1]),
            ([b"punsubscribe", None, 0], [b"punsubscribe", None, 0]),
            ([b"ssubscribe", b"ns:a", 1], [b"ssubscribe", b"a", 1]),
            ([b"message", b"ns:a", b"ns:text"], [b"message", b"a", b"ns:text"]),
            (["message", "ns:a", "text"], ["message", "a", "text"]),
            ([b"message", b"foreign", b"text"], None),
            ([b"smessage", b"ns:a", b"text"], [b"smessage", b"a", b"text"]),
            ([b"pmessage", b"ns:a*", b"ns:ab", b"text"], [b"pmessage", b"a*", b"ab", b"text"]),
            ([b"pmessage", b"__key*", b"foreign", b"text"], None),
            ([b"message", b"__keyevent@0__:del", b"ns:k"], [b"message", b"__keyevent@0__:del", b"k"]),
            ([b"message", b"__keyevent@0__:del", b"foreign"], None),
            ([b"message", b"__keyspace@0__:ns:k", b"del"], [b"message", b"__keyspace@0__:k", b"del"]),
            (
                [b"message", b"__redis__:invalidate", [b"ns:k", b"x"]],
                [b"message", b"__redis__:invalidate", [b"k"]],
            ),
            ([b"message", b"__redis__:invalidate", [b"x"]], None),
            ([b"message", b"__redis__:invalidate", None], [b"message", b"__redis__:invalidate", None]),
            ([b"invalidate", [b"ns:k", b"x"]], [b"invalidate", [b"k"]]),
            ([b"invalidate", [b"x"]], None),
            ([b"invalidate", None], [b"invalidate", None]),
            ([b"tracking-redir-broken", 5], [b"tracking-redir-broken", 5]),
        ],
    )
    def test_shapes(self, message: list[Any], bare: list[Any] | None) -> None:
        before = list(message)
        assert Namespace(b"ns:").push(message) == bare
        assert message == before

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from(PLAIN + HOSTILE),
        st.binary() | st.sampled_from([b"__key*", b"__keyspace@*__:k?", b"*"]),
    )
    def test_there_and_back(self, prefix: bytes, name: bytes) -> None:
        namespace = Namespace(prefix)
        assert namespace.strip_key(namespace.key(name)) == name
        assert namespace.strip_channel(namespace.channel(name)) == name
        assert namespace.strip_pattern(namespace.pattern(name)) == name


class TestPubSub:
    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize("prefix", PLAIN + HOSTILE)
    def test_messages(self, valkey: RealServer, protocol: int, prefix: bytes) -> None:
        namespace, other = Namespace(prefix), Namespace(b"other:")
        with Wire(valkey.port, protocol) as listener, Wire(valkey.port) as sender:
            subscribed = [[b"SUBSCRIBE", b"a", b"b"], [b"PSUBSCRIBE", b"[ab]", b"c*"], [b"SSUBSCRIBE", b"a"]]
            for args in subscribed:
                listener.send(*namespace.outgoing(args))
            confirmed = [namespace.push(listener.read()) for _ in range(5)]
            assert [message[1] for message in confirmed if message] == [b"a", b"b", b"[ab]", b"c*", b"a"]

            # Sharded and other channels are different things: only the first two patterns are for `a`.
            for args in ([b"PUBLISH", b"a", b"1"], [b"SPUBLISH", b"a", b"2"], [b"PUBLISH", b"cc", b"3"]):
                assert run(sender, other, args) == 0
                assert sender.call(*args) == 0
            assert run(sender, namespace, [b"PUBLISH", b"a", b"1"]) == 2
            assert run(sender, namespace, [b"SPUBLISH", b"a", b"2"]) == 1
            assert run(sender, namespace, [b"PUBLISH", b"cc", b"3"]) == 1
            assert [namespace.push(listener.read()) for _ in range(4)] == [
                [b"message", b"a", b"1"],
                [b"pmessage", b"[ab]", b"a", b"1"],
                [b"smessage", b"a", b"2"],
                [b"pmessage", b"c*", b"cc", b"3"],
            ]
            sender.call(b"SET", b"k", b"v")

            assert sorted(run(sender, namespace, [b"PUBSUB", b"CHANNELS"])) == [b"a", b"b"]
            assert run(sender, namespace, [b"PUBSUB", b"CHANNELS", b"[b-z]"]) == [b"b"]
            assert run(sender, namespace, [b"PUBSUB", b"SHARDCHANNELS"]) == [b"a"]
            assert run(sender, namespace, [b"PUBSUB", b"NUMSUB", b"a", b"z"]) == [b"a", 1, b"z", 0]
            assert run(sender, namespace, [b"PUBSUB", b"SHARDNUMSUB", b"a"]) == [b"a", 1]
            assert run(sender, other, [b"PUBSUB", b"CHANNELS"]) == []

            for args in ([b"UNSUBSCRIBE", b"a"], [b"PUNSUBSCRIBE", b"[ab]"], [b"SUNSUBSCRIBE"]):
                listener.send(*namespace.outgoing(args))
                message = namespace.push(listener.read())
                assert message is not None
                assert message[1] == (args[1:] or [b"a"])[0]
            assert run(sender, namespace, [b"PUBSUB", b"CHANNELS"]) == [b"b"]

    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize("prefix", PLAIN + HOSTILE)
    def test_keyspace_events(self, valkey: RealServer, protocol: int, prefix: bytes) -> None:
        namespace = Namespace(prefix)
        with Wire(valkey.port, protocol) as listener, Wire(valkey.port) as writer:
            writer.call(b"FLUSHALL")
            writer.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"KE$g")
            try:
                subscribed = [
                    [b"SUBSCRIBE", b"__keyspace@0__:k", b"__keyevent@0__:set"],
                    [b"PSUBSCRIBE", b"__keyspace@*__:[k]*", b"__key*__:*"],
                ]
                for args in subscribed:
                    listener.send(*namespace.outgoing(args))
                    for name in args[1:]:
                        message = namespace.push(listener.read())
                        assert message is not None
                        assert message[1] == name
                writer.call(b"SET", b"zzz", b"foreign")
                writer.call(b"SET", b"[k]", b"foreign")
                run(writer, namespace, [b"SET", b"k", b"v"])
                listener.send(b"PING", b"end")
                seen = []
                while (message := listener.read()) not in (b"end", [b"pong", b"end"]):
                    seen.append(namespace.push(message))
            finally:
                writer.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"")
        assert sorted(message for message in seen if message is not None) == [
            [b"message", b"__keyevent@0__:set", b"k"],
            [b"message", b"__keyspace@0__:k", b"set"],
            [b"pmessage", b"__key*__:*", b"__keyevent@0__:set", b"k"],
            [b"pmessage", b"__key*__:*", b"__keyspace@0__:k", b"set"],
            [b"pmessage", b"__keyspace@*__:[k]*", b"__keyspace@0__:k", b"set"],
        ]

    @pytest.mark.parametrize("prefix", PLAIN + HOSTILE)
    def test_invalidation(self, valkey: RealServer, prefix: bytes) -> None:
        namespace = Namespace(prefix)
        with Wire(valkey.port) as reader, Wire(valkey.port) as writer:
            writer.call(b"FLUSHALL")
            assert run(reader, namespace, [b"CLIENT", b"TRACKING", b"ON", b"BCAST"]) == b"OK"
            info = run(reader, namespace, [b"CLIENT", b"TRACKINGINFO"])
            assert info[b"prefixes"] == [b""]
            writer.call(b"SET", b"~foreign", b"1")
            run(writer, namespace, [b"MSET", b"a", b"1", b"b", b"2"])
            message = namespace.push(reader.read())
            assert message is not None
            assert (message[0], sorted(message[1])) == (b"invalidate", [b"a", b"b"])
