"""The ACL commands, and what follows from them for everybody else, beside Valkey and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from anystore.pulsards import ManualClock
from tests.pulsards.acl_peers import AclPeers, is_connected
from tests.pulsards.peers import EngineClient
from tests.servers import RealServer, redis_binary, run_server, valkey_binary

SHA_OF_A = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[RealServer]:
    """A server for these tests alone: who is kept out of it by a mistake takes nobody else along."""
    with run_server(valkey_binary()) as server:
        yield server


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RealServer | None]:
    binary = redis_binary()
    if binary is None:
        yield None
        return
    with run_server(binary) as server:
        yield server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def peers(
    request: pytest.FixtureRequest, own_valkey: RealServer, own_redis: RealServer | None
) -> Iterator[AclPeers]:
    with AclPeers(own_valkey, own_redis, request.param) as peers:
        peers.everywhere(lambda client: client.execute("ACL", "LOG", "RESET"))
        yield peers
        peers.everywhere(lambda client: client.execute("RESET"))
        peers.everywhere(lambda client: client.execute("ACL", "DELUSER", "x", "y", "z", ""))


def rule(*rules: str) -> tuple[str, ...]:
    return ("ACL", "SETUSER", "x", *rules)


class TestRules:
    def test_a_new_user_may_nothing(self, peers: AclPeers) -> None:
        peers.check(["ACL SETUSER x", "ACL GETUSER x", "ACL LIST", "ACL USERS", "ACL GETUSER y"])
        peers.check([("ACL", "SETUSER", ""), ("ACL", "GETUSER", ""), "ACL USERS", "ACL WHOAMI"])
        peers.check(["ACL DELUSER x y", "ACL DELUSER x", "ACL DELUSER default", "ACL DELUSER x default"])

    def test_states_and_passwords(self, peers: AclPeers) -> None:
        for rules in (
            ["on"],
            ["OFF", ">a"],
            [">b", ">a", "on"],
            ["<a"],
            [f"#{SHA_OF_A}"],
            [f"!{SHA_OF_A}"],
            ["nopass"],
            [">c"],
            ["resetpass"],
            ["nopass", "resetpass", ">d"],
            ["skip-sanitize-payload"],
            ["sanitize-payload"],
            ["reset"],
            ["nopass", "on", "off", "ON"],
            [""],
        ):
            peers.check([rule(*rules), "ACL GETUSER x", "ACL LIST"])

    def test_keys_and_channels(self, peers: AclPeers) -> None:
        for rules in (
            ["~a", "~a", "~b*"],
            ["%R~c", "%W~c", "%r~d", "%w~e", "%RW~f", "%WR~g", "%R~", "%R"],
            ["allkeys"],
            ["resetkeys"],
            ["~*", "~*", "ALLKEYS"],
            ["resetkeys", "~z"],
            ["&a", "&a", "&b*"],
            ["allchannels"],
            ["&*", "resetchannels"],
            ["&z", "reset"],
        ):
            peers.check([rule(*rules), "ACL GETUSER x", "ACL LIST"])

    def test_commands(self, peers: AclPeers) -> None:
        for rules in (
            ["+get", "+SET", "+get"],
            ["-get"],
            ["allcommands"],
            ["nocommands"],
            ["+@ALL", "-@dangerous"],
            ["-@all", "+config|get"],
            ["+config"],
            ["-config|get"],
            ["+CONFIG|GET"],
            ["-@all", "+select|0", "+select|1"],
            ["-select"],
        ):
            # Redis 7.0 describes commands by as few categories as it can find.
            peers.check([rule(*rules)])
            peers.check(["ACL GETUSER x"], without=["redis"])

    def test_the_order_of_rules_is_kept(self, peers: AclPeers) -> None:
        """As since Redis 7.2."""
        for rules in (
            ["+@all", "-@dangerous", "+@dangerous", "-@read", "+get"],
            ["-@all", "+@read", "-@hash", "+hget", "+@read"],
            ["-@all", "+eval", "+EVAL", "+config", "-config|get", "+config|get", "+config"],
            ["-@all", "+@string", "+client|id", "-client", "+client|info", "+client|id"],
        ):
            peers.check([rule(*rules), "ACL GETUSER x", "ACL LIST"], without=["redis"])

    def test_selectors(self, peers: AclPeers) -> None:
        peers.check(
            [
                *(rule("(~a +get)"), "ACL GETUSER x", rule("(%R~b", "&c", "+@all)"), "ACL GETUSER x"),
                *(rule("()"), rule("( )"), rule('(~a "b)'), "ACL LIST", rule("clearselectors")),
                *("ACL LIST", rule("+get", "(~x)"), rule("reset"), "ACL LIST"),
                *(rule("(on)"), rule("("), rule(")"), rule("(~a"), rule("(~a", "(~b)"), rule("+get)")),
                *(rule('( ~a  "" )'), rule("(~a)", "(~b", "~c"), "ACL GETUSER x"),
            ]
        )

    @pytest.mark.parametrize(
        "rules",
        [
            *(["nope"], ["+nope"], ["-nope"], ["+@nope"], ["-@nope"], ["+"], ["-"], ["+@"], ["@read"]),
            *(["+config|nope"], ["-config|nope"], ["+config|get|x"], ["+select|"], ["-select|1"], ["+|a"]),
            *(["#zz"], [f"#{SHA_OF_A.upper()}"], ["!zz"], [f"!{SHA_OF_A}"], ["<zz"], ["#"]),
            *(["%~a"], ["%X~a"], ["%RR~a"], ["%Ra"], ["%"], ["~a b"], ["&a b"], ["~*", "~a"], ["&*", "&a"]),
            *(["on", "nope", "+get"], ["+get", "+nope"]),
        ],
        ids=" ".join,
    )
    def test_what_is_no_rule_changes_nothing(self, peers: AclPeers, rules: list[str]) -> None:
        peers.check([rule("off", "~k"), rule(*rules), "ACL GETUSER x", ("ACL", "SETUSER", "y", *rules)])
        peers.check(["ACL GETUSER y"])

    def test_names(self, peers: AclPeers) -> None:
        peers.check([("ACL", "SETUSER", name) for name in ("a b", "a\x00b", "a\tb", "\n")])
        peers.check(
            [("ACL", "SETUSER", "y", "~a\x00b"), ("ACL", "SETUSER", b"y", b"~\xff\xc3", b">\xff\x00")]
        )
        peers.check(["ACL GETUSER y"])

    def test_channels_by_default(self, peers: AclPeers) -> None:
        peers.check(["CONFIG SET acl-pubsub-default allchannels", "ACL SETUSER x", "ACL GETUSER x"])
        peers.check([rule("resetchannels", "(+get)"), "ACL GETUSER x", rule("reset"), "ACL GETUSER x"])
        peers.check(["CONFIG SET acl-pubsub-default resetchannels", rule("reset"), "ACL GETUSER x"])


ODD_RULES = st.one_of(
    st.sampled_from(
        [
            *("on", "off", "nopass", "resetpass", "reset", ">a", ">b", "<a", "<b", "sanitize-payload"),
            *("allkeys", "~*", "resetkeys", "~a*", "%R~b", "%W~b", "%RW~c?", "%~", "~", "allchannels", "&*"),
            *("resetchannels", "&a", "&", "+@all", "-@all", "allcommands", "nocommands", "+@read", "-@read"),
            *("+@fast", "-@dangerous", "+@string", "-@string", "+get", "-get", "+set", "-mget", "+config"),
            *(
                "-config",
                "+config|get",
                "-config|get",
                "+client|id",
                "+select|0",
                "+select|1",
                "-select",
                "+object",
            ),
            *("(~x +get)", "(+@all)", "(~* -get +@read)", "(&c +publish)", "(", "()", "clearselectors"),
        ]
    ),
    st.text("+-@~&%()|<>#! RWagetl*", max_size=8),
)
CALLS = (
    *("get a1", "get b", "set b 1", "set c1 1", "mget a1 b", "publish a x", "publish c x", "config get x"),
    *(
        "config set x y",
        "client id",
        "select 0",
        "select 1",
        "object encoding a1",
        "del x",
        "get x",
        "keys *",
    ),
)


@given(rules=st.lists(ODD_RULES, max_size=10))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rules(peers: AclPeers, rules: list[str]) -> None:
    """What they make of a user, and what that may do."""
    # Redis 7.0 begins a selector anew at a further parenthesis.
    assume(sum(one.startswith("(") and not one.endswith(")") for one in rules) <= 1)
    peers.check([rule("reset"), *(rule(one) for one in rules), rule(*rules)])
    peers.check(["ACL GETUSER x"], without=["redis"])
    peers.check([f"ACL DRYRUN x {call}" for call in CALLS])


class TestAsking:
    def test_categories(self, peers: AclPeers) -> None:
        peers.check(["ACL CAT", "ACL CAT nope", "ACL CAT @read", "ACL CAT a b"])

    @pytest.mark.parametrize("category", ["transaction", "bitmap", "list", "Set", "sortedset", "pubsub"])
    def test_a_categorys_commands(self, peers: AclPeers, category: str) -> None:
        ours = set(peers.engine.execute("ACL", "CAT", category))
        redis = peers.servers.get("redis", peers.servers["valkey"])
        # What later versions have added is in the table, too; commands that are not here yet are not.
        assert ours >= {name for name in redis.execute("ACL", "CAT", category) if name in self.here(peers)}
        assert ours <= {
            *redis.execute("ACL", "CAT", category),
            *peers.servers["valkey"].execute("ACL", "CAT", category),
        }

    @staticmethod
    def here(peers: AclPeers) -> set[bytes]:
        return set(peers.engine.execute("COMMAND", "LIST", "FILTERBY", "PATTERN", "*"))

    def test_genpass(self, peers: AclPeers) -> None:
        peers.check(
            ["ACL GENPASS x", "ACL GENPASS 0", "ACL GENPASS 4097", "ACL GENPASS -1", "ACL GENPASS 1 2"]
        )
        for client in (peers.engine, *peers.servers.values()):
            assert [len(client.execute("ACL", "GENPASS", *bits)) for bits in ([], [1], [4], [5], [4096])] == [
                64,
                1,
                1,
                2,
                1024,
            ]
        assert peers.engine.execute("ACL", "GENPASS") != peers.engine.execute("ACL", "GENPASS")

    def test_arguments(self, peers: AclPeers) -> None:
        peers.check(
            ["ACL", "ACL NOPE", "ACL WHOAMI x", "ACL LIST x", "ACL USERS x", "ACL GETUSER", "ACL SETUSER"]
        )
        peers.check(["ACL DELUSER", "ACL LOG 1 2", "ACL LOG x", "ACL DRYRUN", "ACL DRYRUN x", "ACL SAVE x"])
        peers.check(["ACL LOAD", "ACL SAVE"])

    def test_help_has_every_subcommand(self, peers: AclPeers) -> None:
        ours, theirs = (
            [line.split()[0] for line in client.execute("ACL", "HELP")[1:] if not line.startswith(b" ")]
            for client in (peers.engine, peers.servers["valkey"])
        )
        assert sorted(ours) == sorted(theirs)

    def test_dryrun(self, peers: AclPeers) -> None:
        peers.check(
            [rule("+get", "+object", "+select|0", "+mget", "%R~r*", "~a*", "(+set ~s* +publish &c*)")]
        )
        peers.check(
            [
                f"ACL DRYRUN {call}"
                for call in (
                    *(
                        "y get a",
                        "x nope",
                        "x get",
                        "x get a b",
                        "x get a",
                        "x get r",
                        "x get b",
                        "x set a 1",
                    ),
                    *("x set s 1", "x set b 1", "x mget a r", "x mget a b r", "x mget a r b c", "x select 0"),
                    *(
                        "x select 1",
                        "x object encoding b",
                        "x object nope",
                        "x object",
                        "x config",
                        "x auth a",
                    ),
                    *("x hello 9", "x publish c x", "x publish d x", "x command", "x config get", "x quit"),
                    *("x ping", "x GET a", "x Get b", "x acl whoami"),
                )
            ]
        )


class TestPermissions:
    """Somebody who may do this and that, and everything else."""

    def log_in(self, peers: AclPeers, *rules: str) -> None:
        peers.check([rule("reset", "on", ">pw", *rules), "AUTH x pw"])

    def test_commands(self, peers: AclPeers) -> None:
        self.log_in(
            peers, "allkeys", "allchannels", "+@string", "-getset", "+client|id", "+select|0", "+ping"
        )
        peers.check(
            ["SET a 1", "GET a", "GETSET a 2", "LPUSH l 1", "CLIENT GETNAME", "CLIENT", "CLIENT NOPE"]
        )
        peers.check(
            ["SELECT 0", "SELECT 1", "SELECT", "NOPE", "GET", "PING", "ECHO x", "ACL WHOAMI", "COMMAND"]
        )
        peers.check(["MULTI", "DISCARD", "EXEC", "WATCH a"])

    def test_keys(self, peers: AclPeers) -> None:
        self.log_in(peers, "+@all", "%R~r*", "%W~w*", "~b*", "%RW~both*")
        peers.check(["GET r", "SET r 1", "GET w", "SET w 1", "SET w 1 GET", "GET b", "SET b 1", "GET no"])
        peers.check(
            ["SET w 1 EX 5", "SET w 1 XX", "APPEND w x", "APPEND b x", "INCR w", "GETDEL w", "GETDEL b"]
        )
        peers.check(
            ["MGET r b", "MGET r no b", "MSET w 1 b 2", "MSET w 1 r 2", "COPY r w", "COPY w r", "DEL w r"]
        )
        peers.check(
            ["DEL w", "EXISTS w", "EXISTS r w", "TYPE w", "TYPE no", "TTL w", "EXPIRE w 5", "RENAME b w"]
        )
        peers.check(
            ["BITFIELD r GET u8 0", "BITFIELD r SET u8 0 1", "BITFIELD b SET u8 0 1", "LMOVE r w LEFT LEFT"]
        )
        peers.check(
            ["LMOVE both w LEFT LEFT", "SINTERSTORE w r b", "SINTERSTORE w r no", "ZUNIONSTORE w 2 r b"]
        )
        peers.check(
            ["ZUNIONSTORE w 2 r no", "ZINTER 1 w", "OBJECT ENCODING r", "OBJECT ENCODING w", "STRLEN w"]
        )
        peers.check(
            [("EVAL", "return", "1", "0"), ("EVAL", "return 1", 1, "r"), ("EVAL", "return 1", 1, "b")]
        )
        peers.check(["XADD w * a b", "XREAD STREAMS r 0", "XREAD STREAMS r no 0 0", "KEYS *", "SCAN 0"])
        peers.check(
            [
                "LPUSH no 1",
                "WATCH r",
                "WATCH no",
                "UNWATCH",
                "SPUBLISH c 1",
                "SORT r STORE w",
                "SORT r STORE r",
            ]
        )

    def test_sort_by_other_keys(self, peers: AclPeers) -> None:
        self.log_in(peers, "+@all", "~a*")
        calls = ["SORT a BY b*", "SORT a BY nosort", "SORT a GET b*", "SORT a GET #", "SORT a BY x GET #"]
        more = ["SORT a BY nope* LIMIT x", "SORT_RO a BY b*", "SORT a LIMIT x 1 BY b*", "SORT a GET"]
        peers.check([*calls, *more])
        peers.check(["RESET", rule("(+sort %R~* %W~a*)"), "AUTH x pw", *calls, *more])
        peers.check(["RESET", rule("clearselectors", "(+sort ~*)"), "AUTH x pw", *calls, *more])
        peers.check(["RESET", rule("clearselectors", "(+sort %W~*)"), "AUTH x pw", *calls, *more])

    def test_channels(self, peers: AclPeers) -> None:
        self.log_in(peers, "+@all", "allkeys", "&c*", "&d")
        peers.check(["PUBLISH c 1", "PUBLISH d 1", "PUBLISH e 1", "SPUBLISH c1 1", "SPUBLISH e 1"])
        peers.check(["SUBSCRIBE e", "SUBSCRIBE c e", "PSUBSCRIBE c", "PSUBSCRIBE d*", "SSUBSCRIBE e"])
        peers.check(["UNSUBSCRIBE e", "PUNSUBSCRIBE e", "SUBSCRIBE c", "PSUBSCRIBE c*", "RESET"])
        peers.check(["ACL WHOAMI"])

    def test_selectors(self, peers: AclPeers) -> None:
        self.log_in(peers, "+get", "~a*", "(+set ~b*)", "(%R~c* +get +copy %W~d*)")
        peers.check(
            ["GET a", "GET b", "GET c", "SET a 1", "SET b 1", "COPY c d", "COPY a d", "DEL a", "MGET a"]
        )

    def test_transactions(self, peers: AclPeers) -> None:
        self.log_in(peers, "+@all", "~a*", "-flushall")
        peers.check(
            ["MULTI", "GET b", "EXEC", "MULTI", "FLUSHALL", "GET a", "EXEC", "MULTI", "GET a", "EXEC"]
        )

    def test_rights_lost_before_exec(self, peers: AclPeers) -> None:
        self.log_in(peers, "+@all", "~a*", "&c*")
        peers.check(["MULTI", "GET a", "INCR a", "PUBLISH c 1", "PING"])
        self.from_outside(peers, "-incr", "resetkeys", "resetchannels")
        peers.check(["EXEC"])

    @staticmethod
    def from_outside(peers: AclPeers, *rules: str) -> None:
        for client in peers.clients().values():
            assert client.execute("ACL", "SETUSER", "x", *rules) == b"OK"
            client.close()

    def test_rights_changed_count_from_the_next_command_on(self, peers: AclPeers) -> None:
        self.log_in(peers, "+@all", "~a*")
        peers.check(["GET a", "GET b"])
        self.from_outside(peers, "allkeys", "allchannels")
        peers.check(["GET a", "GET b"])
        self.from_outside(peers, "-get", "off", "resetpass")
        peers.check(["GET a", "SET b 1", "ACL WHOAMI"])

    def test_logging_in(self, peers: AclPeers) -> None:
        peers.check([rule("on", ">one", ">two"), "AUTH x three", "AUTH x one", "AUTH x two", "AUTH x ONE"])
        peers.check(["AUTH y one", "AUTH one", "AUTH a b c"])
        self.from_outside(peers, "off")
        peers.check(["AUTH x one", "RESET", "HELLO 2 AUTH x one", "ACL WHOAMI"])
        peers.check([rule("on", "nopass"), "AUTH x whatever", ("AUTH", "x", ""), "RESET"])
        peers.check([rule("resetpass"), "AUTH x one", ("AUTH", "x", "")])

    def test_the_default_user(self, peers: AclPeers) -> None:
        peers.check(["ACL SETUSER default >pw", "AUTH bad", "AUTH pw", "ACL WHOAMI", "PING"])
        strangers = peers.clients()
        refusals = {name: stranger.execute("GET", "a") for name, stranger in strangers.items()}
        assert set(refusals.values()) == {("error", "NOAUTH Authentication required.")}
        peers.check(
            ["ACL SETUSER default off", "AUTH pw", "ACL WHOAMI", "RESET", "GET a", "HELLO 3", "AUTH pw"]
        )
        for client in peers.clients().values():
            assert client.execute("HELLO", 3)[1].startswith("NOAUTH HELLO must be called")
            client.close()
        self.restore_default(strangers, peers)
        peers.check(["GET a", "RESET", "GET a", "ACL GETUSER default"])
        for name, stranger in strangers.items():
            assert stranger.execute("ACL", "WHOAMI") == b"default", name
            stranger.close()

    @staticmethod
    def restore_default(strangers: dict[str, Any], peers: AclPeers) -> None:
        """From the one connection that has been left logged in, where there is none: by an administrator."""
        peers.everywhere(lambda client: None)
        for name, admin in strangers.items():
            reply = admin.execute("AUTH", "z", "z")
            assert reply == b"OK", name
            assert admin.execute("ACL", "SETUSER", "default", "on", "nopass") == b"OK"
            admin.execute("RESET")

    @pytest.fixture(autouse=True)
    def administrator(self, peers: AclPeers) -> None:
        peers.check(["ACL SETUSER z on nopass allkeys allchannels allcommands"])


class TestScripts:
    @pytest.mark.parametrize(
        "call", ["'get','b'", "'set','a','1'", "'publish','e','1'", "'get','a'", "'mget','a','b'"]
    )
    def test_a_script_may_what_its_user_may(self, peers: AclPeers, call: str) -> None:
        peers.check([rule("reset", "on", "nopass", "+@all", "-set", "~a*", "&c*"), "AUTH x x"])
        peers.check([("EVAL", f"return redis.pcall({call})", 0)])

    def test_asking_what_one_may(self, peers: AclPeers) -> None:
        peers.check([rule("reset", "on", "nopass", "+@all", "-config", "~a*", "&c*"), "AUTH x x"])
        calls = ("'get','a'", "'get','b'", "'config','get','x'", "'config|get'", "'publish','e','x'", "'get'")
        for call in calls[:3] + calls[4:]:
            peers.check([("EVAL", f"return redis.acl_check_cmd({call})", 0)])


class TestDisconnecting:
    def test_a_user_that_goes(self, peers: AclPeers) -> None:
        peers.check([rule("on", "nopass", "+@all"), "ACL SETUSER y on nopass +@all"])
        others, bystanders = peers.clients(), peers.clients()
        for name in others:
            assert others[name].execute("AUTH", "x", "") == b"OK"
            assert bystanders[name].execute("AUTH", "y", "") == b"OK"
        peers.check(["ACL DELUSER x"])
        assert not any(is_connected(client) for client in others.values())
        assert all(is_connected(client) for client in bystanders.values())

    def test_oneself(self, peers: AclPeers) -> None:
        peers.check([rule("on", "nopass", "+@all"), "AUTH x x", "ACL DELUSER x"])
        assert peers.engine.session.closing
        for client in peers.servers.values():
            assert not is_connected(client)
        peers.reconnect()

    def test_kill_and_list_by_user(self, peers: AclPeers) -> None:
        peers.check([rule("on", "nopass", "+@all"), "CLIENT KILL USER nobody", "CLIENT KILL USER x"])
        others = peers.clients()
        for client in others.values():
            client.execute("AUTH", "x", "")
            assert b" user=x " in client.execute("CLIENT", "INFO")
        peers.check(["CLIENT KILL USER x"])
        assert not any(is_connected(client) for client in others.values())

    @pytest.mark.parametrize(
        ("before", "after", "stays"),
        [
            (["&a*"], ["resetchannels", "&b*"], False),
            (["&a*"], ["resetchannels"], False),
            (["allchannels"], ["resetchannels", "&a*"], True),
            (["allchannels"], ["resetchannels", "&b*"], False),
            (["&a*"], ["&b*"], True),
            (["&a*"], ["allchannels"], True),
            (["&a*"], ["resetchannels", "&a1", "&a*"], True),
            (["(&a* +@all)"], ["clearselectors"], False),
            (["(&a* +@all)"], ["clearselectors", "(+@all &*)"], True),
            (["&a*"], ["reset", "&a*"], True),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("how", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
    def test_listening_to_what_one_may_no_more(
        self, peers: AclPeers, how: str, before: list[str], after: list[str], stays: bool
    ) -> None:
        peers.check([rule("reset", "on", "nopass", "+@all", *before)])
        listeners, others = peers.clients(), peers.clients()
        for name, client in listeners.items():
            others[name].execute("AUTH", "x", "")
            client.execute("AUTH", "x", "")
            reply = client.execute(how, "a*" if how == "PSUBSCRIBE" else "a1")
            assert reply[0] == how.lower().encode()
        peers.check([rule(*after)])
        assert {name: is_connected(client) for name, client in listeners.items()} == dict.fromkeys(
            listeners, stays
        )
        assert all(is_connected(client) for client in others.values())

    def test_rights_lost_while_waiting(self, peers: AclPeers) -> None:
        """As since Redis 7.2: the command is looked at again when its turn comes."""
        waiting = {name: client for name, client in peers.clients().items() if name != "redis"}
        peers.check([rule("reset", "on", "nopass", "+@all", "allkeys", "allchannels")])
        for client in waiting.values():
            client.execute("AUTH", "x", "")
            client.send("BLPOP", "q", "0")
        wait_until_blocked(peers)
        peers.check([rule("resetkeys", "~other")])
        peers.check(["RPUSH q 1"])
        for name, client in waiting.items():
            assert client.receive() == ("error", "NOPERM No permissions to access a key"), name
            client.close()
        peers.check(["LLEN q"])


def wait_until_blocked(peers: AclPeers) -> None:
    while b"blocked_clients:1\r" not in peers.servers["valkey"].execute("INFO", "clients"):
        pass


class TestLog:
    FIELDS_OF_7_0 = 7

    def entries(self, client: Any, *arguments: str) -> list[dict[bytes, Any]]:
        reply = client.execute("ACL", "LOG", *arguments)
        return [
            entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2], strict=True))
            for entry in reply
        ]

    def test_what_is_in_it(self, peers: AclPeers) -> None:
        peers.check(
            [rule("reset", "on", ">pw", "+@all", "-flushall", "~a*", "&c*"), "AUTH x bad", "AUTH y pw"]
        )
        peers.check(
            ["HELLO 2 AUTH x bad", "AUTH x pw", "GET b", "GET b", "FLUSHALL", "PUBLISH e 1", "mget a b"]
        )
        peers.check(
            ["MULTI", "GET b", "EXEC", ("EVAL", "return redis.pcall('get', 'a')", 0), "CLIENT GETNAME"]
        )
        for client in (peers.engine, *peers.servers.values()):
            client.execute("EVAL", "return redis.pcall('get', 'b')", 0)
        peers.check(["RESET"])
        seen = {
            name: [
                {
                    field.decode(): value
                    for field, value in entry.items()
                    if field in (b"count", b"reason", b"context", b"object", b"username")
                }
                for entry in self.entries(client, "100")
            ]
            for name, client in (("pulsards", peers.engine), *peers.servers.items())
        }
        for name, entries in seen.items():
            assert entries == seen["pulsards"], name
        assert len(seen["pulsards"]) == 8

    def test_the_fields(self, peers: AclPeers) -> None:
        """All of them since Redis 7.2."""
        peers.check(["AUTH x bad"])
        ours, theirs = (self.entries(client)[0] for client in (peers.engine, peers.servers["valkey"]))
        assert list(ours) == list(theirs)
        assert {name: type(value) for name, value in ours.items()} == {
            name: type(value) for name, value in theirs.items()
        }
        assert ours[b"client-info"].startswith(b"id=1 addr=127.0.0.1:50000 ")

    def test_counting(self, peers: AclPeers) -> None:
        peers.check(["ACL LOG 0", "ACL LOG", *["AUTH x bad"] * 3])
        peers.check([f"AUTH user{number} bad" for number in range(12)])
        peers.check(["AUTH x bad", "AUTH user0 bad"])
        for client in (peers.engine, *peers.servers.values()):
            counts = [(entry[b"username"], entry[b"count"]) for entry in self.entries(client, "20")]
            # Only the ten newest are looked at for one that fits.
            assert counts[:3] == [(b"user0", 1), (b"x", 1), (b"user11", 1)]
            assert counts[-1] == (b"x", 3)
            assert [len(self.entries(client, *count)) for count in ([], ["3"], ["-1"], ["99"])] == [
                10,
                3,
                0,
                15,
            ]
        peers.check(["ACL LOG RESET", "ACL LOG", "ACL LOG reset"])

    def test_it_is_bounded(self, peers: AclPeers) -> None:
        peers.check(["CONFIG SET acllog-max-len 3", *[f"AUTH user{number} bad" for number in range(5)]])
        for client in (peers.engine, *peers.servers.values()):
            assert [entry[b"username"] for entry in self.entries(client)] == [b"user4", b"user3", b"user2"]
        peers.check(["CONFIG SET acllog-max-len 0", "AUTH x bad", "ACL LOG", "CONFIG SET acllog-max-len 128"])

    def test_time_and_numbers(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("AUTH", "x", "bad")
        clock.advance(60)
        client.execute("AUTH", "x", "bad")
        clock.advance(61)
        client.execute("AUTH", "x", "bad")
        clock.advance(0.5)
        newest, older = self.entries(client)
        assert (newest[b"entry-id"], newest[b"count"], newest[b"age-seconds"]) == (1, 1, b"0.5")
        assert (older[b"entry-id"], older[b"count"], older[b"age-seconds"]) == (0, 2, b"61.5")
        assert newest[b"timestamp-created"] == newest[b"timestamp-last-updated"] == 1_700_000_121_000
        assert older[b"timestamp-last-updated"] - older[b"timestamp-created"] == 60_000
        assert client.engine.acl.log.refused == {b"auth": 3, b"command": 0, b"key": 0, b"channel": 0}


def test_it_costs_nothing_while_everybody_may_everything() -> None:
    client = EngineClient()
    client.execute("ACL", "SETUSER", "x", "on", "nopass", "+@all", "~*", "&*")
    client.execute("AUTH", "x", "")
    assert not client.session.guarded
    client.execute("ACL", "SETUSER", "x", "-flushall")
    assert client.session.guarded
    client.execute("ACL", "SETUSER", "x", "(+@all ~* &*)")
    assert not client.session.guarded
