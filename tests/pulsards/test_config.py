"""The directives: what they take, what they say, and that none is taken and ignored; beside Valkey and Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards import PulsarDS
from anystore.pulsards.config import Config, Refused
from anystore.pulsards.config_file import parse_config, parse_options
from anystore.pulsards.config_refusals import REFUSALS, why_refused
from anystore.pulsards.config_table import DIRECTIVES
from anystore.pulsards.config_types import quoted_word, split_words
from anystore.pulsards.server_log import LEVELS, logger
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

#: What has another default here, and why.
OTHER_DEFAULTS = {
    "bind": "not all addresses, but this machine alone",
    "port": "beside a Redis, not in its place",
    "enable-debug-command": "DEBUG is for test suites, which run where the server does",
    "save": "the servers beside us are started so",
    "daemonize": "the servers beside us are started so",
    "loglevel": "the servers beside us are started so",
    "unixsocket": "the servers beside us are started so",
    "dir": "nothing is kept on disk unless a place is given",
    "commandlog-request-larger-than": "measuring every command is left to those who want it",
    "commandlog-reply-larger-than": "measuring every command is left to those who want it",
    "repl-backlog-size": "Redis' own: Valkey keeps 10 MB",
    "replica-lazy-flush": "Redis' own: Valkey's is yes",
    "slave-lazy-flush": "as replica-lazy-flush",
    "repl-diskless-load": "an image is read as it comes, and the data of before are there until it is whole",
    "sanitize-dump-payload": "payloads come from anybody",
    "replica-ignore-disk-write-errors": "a process does not end because of a disk",
    "repl-diskless-sync-delay": "an image costs no second process, so that few replicas need not wait for others",
    "client-output-buffer-limit": "not compared: Valkey says replica where Redis says slave",
}

KNOWN = {
    ("redis", "CONFIG SET loglevel loud"): "Redis 7.0 has no level 'nothing' yet",
}


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    with Differential(valkey, redis_server, request.param) as peers:
        yield peers


#: Directives that no other server has, and why.
OURS = {
    "rdb-dialect": "only we write for Redis 8 and for Valkey 9, whose hashes with fields that expire differ",
}


def settings(reply: object) -> dict[bytes, bytes]:
    """CONFIG GET's reply, whatever the protocol."""
    if isinstance(reply, list):
        return dict(zip(reply[::2], reply[1::2], strict=True))
    assert isinstance(reply, dict)
    return reply


class TestTheTable:
    def test_every_directive_is_one_of_redis_with_its_default(self, peers: Differential) -> None:
        ours = settings(peers.engine.execute("CONFIG", "GET", "*"))
        theirs = {
            name: settings(client.execute("CONFIG", "GET", "*")) for name, client in peers.servers.items()
        }
        nobodys = {name.decode() for name in ours if not any(name in found for found in theirs.values())}
        assert nobodys == OURS.keys()
        for server, found in theirs.items():
            different = {
                name.decode(): (value, found[name])
                for name, value in ours.items()
                if name in found and found[name] != value and name.decode() not in OTHER_DEFAULTS
            }
            assert different == {}, server

    def test_every_directive_takes_what_it_shows(self) -> None:
        client = EngineClient(clock=None)
        for directive in DIRECTIVES:
            (_, value) = client.execute("CONFIG", "GET", directive.name)
            reply = client.execute("CONFIG", "SET", directive.name, value)
            if directive.protected:
                assert reply[1].endswith("can't set protected config"), directive.name
            elif directive.mutable:
                assert reply == b"OK", directive.name
            else:
                assert reply[1].endswith("can't set immutable config"), directive.name

    def test_every_directive_takes_what_it_writes(self) -> None:
        for directive in DIRECTIVES:
            lines = directive.lines(directive.default)
            value = directive.default
            for line in lines:
                parsed = directive.parse(" ".join(split_words(line)))
                value = parsed if directive.combine is None else directive.combine(value, parsed)
            assert value == directive.default, directive.name

    def test_a_directive_of_redis_is_known_or_refused_with_a_reason(self, peers: Differential) -> None:
        ours = set(peers.engine.engine.config.directives)
        theirs = {
            name.decode()
            for client in peers.servers.values()
            for name in settings(client.execute("CONFIG", "GET", "*"))
        }
        assert {name for name in theirs - ours if why_refused(name) is None} == set()
        assert {name for name in ours if why_refused(name) is not None} == {
            "cluster-enabled"
        }  # `no` is taken
        for name in theirs - ours:
            reply = peers.engine.execute("CONFIG", "SET", name, "1")
            assert reply[1].endswith(f"(possibly related to argument '{name}') - {why_refused(name)}")
            with pytest.raises(ImproperlyConfigured, match=name):
                Config({name: "1"})
        unknown = peers.engine.execute("CONFIG", "SET", "no-such-directive", "1")
        assert unknown[1].startswith("ERR Unknown option")

    def test_whatever_is_refused_with_a_reason_is_a_directive_of_redis(self, ports: dict[str, int]) -> None:
        missing = {name for names in REFUSALS.values() for name in names}
        for port in ports.values():
            client = RealClient(port)
            missing = {name for name in missing if not settings(client.execute("CONFIG", "GET", name))}
            client.close()
        # Of one CONFIG GET says nothing, and Valkey has given two up.
        assert missing == {"loadmodule"} | (
            set() if "redis" in ports else {"dynamic-hz", "io-threads-do-reads"}
        )


class TestGetting:
    @pytest.mark.parametrize(
        "names",
        [
            *("PORT port", "port PORT", "PORT p?rt port", "p?rt PORT", "maxmemory-s* MAXMEMORY-SAMPLES"),
            *("slaveof replicaof REPLICAOF", "nope NOPE port", "port\\", "p\\ort", "POR[t]", "p\\or*"),
            *("[p]ort po*", "timeou[ta] timeout", "TIMEOUT timeout Timeout"),
        ],
    )
    def test_each_is_shown_once_as_it_was_first_named(self, peers: Differential, names: str) -> None:
        def shown(reply: object) -> object:
            # Where a port is, is not the same; in which order, is nobody's promise.
            return sorted(
                (name, None if name.lower() == b"port" else value) for name, value in settings(reply).items()
            )

        call = ("CONFIG", "GET", *names.split(" "))
        ours = peers.engine.execute(*call)
        for client in peers.servers.values():
            theirs = client.execute(*call)
            assert shown(ours) == shown(theirs)
            assert len(ours) == len(theirs)


class TestSetting:
    def test_what_is_said_of_wrong_values(self, peers: Differential) -> None:
        peers.known = KNOWN
        peers.check(
            [
                *("CONFIG SET acl-pubsub-default x", "CONFIG SET acl-pubsub-default x y z"),
                *("CONFIG SET protected-mode maybe", "CONFIG SET aclfile x", "CONFIG SET tcp-backlog 3"),
                *(
                    "CONFIG SET port x",
                    "CONFIG SET port 70000",
                    "CONFIG SET port -1",
                    "CONFIG SET maxclients 0",
                ),
                *("CONFIG SET tcp-keepalive -1", "CONFIG SET unixsocketperm 999", "CONFIG SET unixsocket x"),
                *(
                    "CONFIG SET maxmemory-clients x",
                    "CONFIG SET maxmemory-clients -1",
                    "CONFIG SET maxmemory-clients 200%",
                ),
                *("CONFIG SET maxmemory-clients 1.5%", "CONFIG SET maxmemory-clients %"),
                *("CONFIG SET loglevel loud", "CONFIG SET logfile x", "CONFIG SET enable-debug-command no"),
                *("CONFIG SET client-query-buffer-limit 5", "CONFIG SET proto-max-bulk-len 1"),
                *(
                    "CONFIG SET proto-max-bulk-len 1xb",
                    "CONFIG SET acllog-max-len -1",
                    "CONFIG SET daemonize yes",
                ),
                *(
                    "CONFIG SET timeout 5 timeout 6",
                    "CONFIG SET nope 1 timeout x",
                    "CONFIG SET timeout x nope 1",
                ),
                *(
                    "CONFIG SET timeout x databases 3",
                    "CONFIG SET databases 3 timeout x",
                    "CONFIG SET tls-auth-clients x",
                ),
                *("CONFIG SET hash-max-ziplist-entries x", "CONFIG SET include x", "CONFIG GET user"),
                *(
                    "CONFIG SET client-output-buffer-limit x",
                    "CONFIG SET rename-command x",
                    "CONFIG GET include",
                ),
                ("CONFIG", "SET", "client-output-buffer-limit", "nope 1 2 3"),
                ("CONFIG", "SET", "client-output-buffer-limit", "normal 1 2 x"),
                ("CONFIG", "SET", "timeout", ""),
                ("CONFIG", "SET", "user", "x on"),
            ]
        )

    def test_values_take_effect_and_are_shown(self, peers: Differential) -> None:
        peers.check(
            [
                *("CONFIG SET acl-pubsub-default AllChannels", "CONFIG GET acl-pubsub-default"),
                *("CONFIG SET acl-pubsub-default resetchannels", "CONFIG SET protected-mode NO"),
                *("CONFIG GET protected-mode", "CONFIG SET protected-mode yes", "CONFIG GET protected-*"),
                *("CONFIG SET hash-max-ziplist-entries 5", "CONFIG GET hash-max-ziplist-entries"),
                *("CONFIG GET hash-max-listpack-entries", "CONFIG SET hash-max-listpack-entries 512"),
                *("CONFIG SET hash-max-ziplist-value 5 hash-max-listpack-value 64",),
                *("CONFIG GET hash-max-listpack-value", "CONFIG GET list-max-ziplist-size"),
                *(
                    "CONFIG SET TIMEOUT 5",
                    "CONFIG GET TimeOut",
                    "CONFIG SET timeout 0",
                    "CONFIG GET tcp-backlog",
                ),
                *("CONFIG SET client-query-buffer-limit 2mb", "CONFIG GET client-query-buffer-limit"),
                *(
                    "CONFIG SET client-query-buffer-limit 1gb",
                    "CONFIG GET unixsocketperm",
                    "CONFIG GET aclfile",
                ),
                *("CONFIG GET tls-port", "CONFIG GET tls-auth-clients", "CONFIG GET acllog-max-len"),
            ]
        )

    def test_limits_of_classes_that_are_not_named_stay(self, peers: Differential) -> None:
        peers.check(
            [
                ("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 2 3"),
                ("CONFIG", "SET", "client-output-buffer-limit", "pubsub 4 5kb 6 replica 7 8 9"),
            ]
        )
        replies = {
            name: client.execute("CONFIG", "GET", "client-output-buffer-limit")
            for name, client in (("pulsards", peers.engine), *peers.servers.items())
        }
        texts = [str(reply).replace("replica", "slave") for reply in replies.values()]
        assert set(texts) == {texts[0]}
        peers.check(
            [
                (
                    *("CONFIG", "SET", "client-output-buffer-limit"),
                    "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
                )
            ]
        )

    def test_an_effect_that_fails_takes_everything_back(self) -> None:
        config = Config()

        def effect(changed: frozenset[str]) -> None:
            seen.append((changed, config.values["timeout"]))
            if config.values["timeout"] == 5:
                raise Refused("timeout", "not five")

        seen: list[tuple[frozenset[str], int]] = []
        config.add_effect(effect)
        config.update([("timeout", "4")])
        with pytest.raises(Refused, match="not five"):
            config.update([("maxclients", "7"), ("timeout", "5")])
        assert (config.values["timeout"], config.maxclients) == (4, 10000)
        both = frozenset({"timeout", "maxclients"})
        assert seen == [(frozenset({"timeout"}), 4), (both, 5), (both, 4)]
        config.remove_effect(effect)
        config.update([("timeout", "5")])

    def test_the_log_level(self) -> None:
        before = logger.level
        client = EngineClient(loglevel="debug")
        assert logger.level == before  # a server inside a program leaves its logging alone until told
        try:
            for word, level in LEVELS.items():
                assert client.execute("CONFIG", "SET", "loglevel", word) == b"OK"
                assert logger.level == level
            assert logging.DEBUG < LEVELS["verbose"] < logging.INFO
        finally:
            logger.setLevel(before)


class TestStarting:
    @pytest.mark.parametrize(
        ("settings", "complaint"),
        [
            ({"nope": "1"}, "unknown directive 'nope'"),
            ({"timeout": "x"}, "directive 'timeout': argument couldn't be parsed"),
            ({"replicaof": "h"}, "directive 'replicaof': wrong number of arguments"),
            ({"replicaof": "h 99999"}, "directive 'replicaof': Invalid master port"),
            ({"repl-diskless-load": "enabled"}, "argument\\(s\\) must be one of the following: disabled"),
            ({"repl-diskless-load": "disabled"}, "without dir nothing is kept on disk"),
            ({"appendfsync": "often"}, "directive 'appendfsync': argument\\(s\\) must be one of"),
            ({"appendfilename": "a/b"}, "directive 'appendfilename': want the name of a file"),
            ({"save": "60"}, "directive 'save': Invalid save parameters"),
            ({"save": "0 1"}, "directive 'save': Invalid save parameters"),
            ({"save": "-1 1"}, "directive 'save': Invalid save parameters"),
            ({"dbfilename": "a/b"}, "dbfilename can't be a path, just a filename"),
            ({"cluster-enabled": "yes"}, "directive 'cluster-enabled': cluster mode is not available yet"),
            ({"daemonize": "yes"}, "stays in the foreground"),
            ({"rename-command": "x"}, "directive 'rename-command': wrong number"),
            ({"user": 'a ">x'}, "directive 'user': unbalanced quotes"),
            ({"unixsocketperm": "9"}, "octal"),
            ({"unixsocketperm": "7777"}, "between 0 and 777"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, settings: dict[str, str], complaint: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=complaint):
            Config(settings)

    def test_the_last_one_counts_but_of_what_adds_up(self) -> None:
        config = Config(
            {"timeout": "1"},
            parse_options(
                [
                    "--timeout",
                    "2",
                    "--TIMEOUT",
                    "3",
                    "--client-output-buffer-limit",
                    "normal",
                    "1",
                    "2",
                    "3",
                    "--client-output-buffer-limit",
                    "pubsub",
                    "4",
                    "5",
                    "6",
                    "--user",
                    "a",
                    "on",
                    "--user",
                    "b",
                    "off",
                    "--rename-command",
                    "GET",
                    "g",
                ]
            ),
        )
        assert config.values["timeout"] == 3
        assert config.output_limits == {
            "normal": (1, 2, 3),
            "slave": (268435456, 67108864, 60),
            "pubsub": (4, 5, 6),
        }
        assert config.users == [["a", "on"], ["b", "off"]]
        assert config.renames == [("GET", "g")]

    def test_a_directory_brings_a_log_or_rules_and_these_bring_a_directory(self) -> None:
        standard = ((3600, 1), (300, 100), (60, 10000))
        for given, directory, rules, logged in [
            ({}, "", (), False),
            ({"save": ""}, "", (), False),
            ({"dir": "/d"}, "/d", (), True),
            ({"dir": "/d", "appendonly": "no"}, "/d", standard, False),
            ({"dir": "/d", "appendonly": "yes"}, "/d", (), True),
            ({"appendonly": "yes"}, ".", (), True),
            ({"appendonly": "yes", "save": "60 1"}, ".", ((60, 1),), True),
            ({"dir": "/d", "save": ""}, "/d", (), False),
            ({"save": "60 1"}, ".", ((60, 1),), False),
            ({"dir": "/d", "save": "60 1 30 2"}, "/d", ((60, 1), (30, 2)), False),
        ]:
            values = Config(given).values
            assert (values["dir"], values["save"], values["appendonly"]) == (directory, rules, logged)

    def test_rules_of_a_file_gather(self) -> None:
        lines = list(parse_config(b"save 60 1\nsave 30 2 10 3\n", "f"))
        assert Config(lines=lines).values["save"] == ((60, 1), (30, 2), (10, 3))
        lines += parse_config(b'save ""\nsave 5 5\n', "f")
        assert Config(lines=lines).values["save"] == ((5, 5),)
        assert Config({"save": ["60 1", "30 2"]}).values["save"] == ((60, 1), (30, 2))

    def test_where_files_are_is_nothing_for_clients_unless_it_is_said_so(self) -> None:
        for allowed, address, reply in [
            ("no", "127.0.0.1:1", "can't set protected config"),
            ("local", "10.0.0.1:1", "can't set protected config"),
            ("local", "127.0.0.1:1", None),
            ("yes", "10.0.0.1:1", None),
        ]:
            client = EngineClient(enable_protected_configs=allowed)
            client.session.address = address
            found = client.execute("CONFIG", "SET", "dbfilename", "other.rdb")
            if reply is None:
                assert found == b"OK"
                assert client.execute("CONFIG", "GET", "dbfilename") == [b"dbfilename", b"other.rdb"]
                assert client.execute("CONFIG", "SET", "dbfilename", "a/b")[1].endswith("just a filename")
            else:
                assert found[1].endswith(reply)

    def test_too_many_words(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="command line: directive 'timeout': wrong number"):
            Config(lines=parse_options(["--timeout", "1", "2"]))

    def test_settings_come_from_one_place(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="either config or single directives"):
            PulsarDS(config=Config(), timeout=5)

    def test_values_harmless_here_are_taken(self) -> None:
        Config(
            {"save": "", "appendonly": "no", "cluster-enabled": "no", "daemonize": "no", "supervised": "no"}
        )

    @pytest.mark.parametrize("word", ["plain", "", 'a "b" \\ c', "\n\r\t\a\b\x00\x7f", "é", "\udcff"])
    def test_words_in_quotes(self, word: str) -> None:
        assert split_words(quoted_word(word)) == [word]


def test_a_limit_on_arguments_is_for_clients_that_are_connected_too(
    valkey: RealServer, redis_server: RealServer | None
) -> None:
    large = "x" * (2**20 + 1)
    for server in (None, valkey, redis_server):
        if server is None:
            one = EngineClient()
            two: EngineClient | RealClient = EngineClient(one.engine)
        else:
            one, two = RealClient(server.port), RealClient(server.port)
        assert two.execute("SET", "k", large) == b"OK"
        assert one.execute("CONFIG", "SET", "proto-max-bulk-len", "1mb") == b"OK"
        try:
            assert two.execute("SET", "k", large) == ("error", "ERR Protocol error: invalid bulk length")
            assert one.execute("SET", "k", large[1:]) == b"OK"
        finally:
            one.execute("CONFIG", "SET", "proto-max-bulk-len", "512mb")
            one.execute("DEL", "k")
            one.close()
            two.close()
