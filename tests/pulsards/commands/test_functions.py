"""FUNCTION, FCALL and FCALL_RO, beside Valkey and Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.scripting.script_peers import ScriptPeers
from tests.servers import RealServer

Command = tuple[str | int, ...]
LIB = "#!lua name=lib\nredis.register_function('f', function(keys, args) return {keys, args} end)\n"


def lib(body: str, name: str = "l") -> str:
    return f"#!lua name={name}\n{body}"


def load(body: str, name: str = "l") -> Command:
    return ("FUNCTION", "LOAD", "REPLACE", lib(body, name))


REG = "redis.register_function"


def run(body: str, flags: str = "") -> Command:
    return load(REG + "{function_name='f', callback=function(keys, args) " + body + " end" + flags + "}")


CALL: Command = ("FCALL", "f", 0)
COMMANDS: tuple[Command, ...] = (
    ("FUNCTION",),
    ("FUNCTION", "X"),
    ("FUNCTION", "LOAD"),
    ("FUNCTION", "LOAD", "return 1"),
    ("FUNCTION", "LOAD", "#!lua name=a"),
    ("FUNCTION", "LOAD", "#!lua name=a\n"),
    ("FUNCTION", "LOAD", "x", "y"),
    ("FUNCTION", "LOAD", "REPLACE"),
    ("FUNCTION", "LOAD", "REPLACE", "x", "y"),
    ("FUNCTION", "LOAD", "#!\n"),
    ("FUNCTION", "LOAD", "#!lua\n"),
    ("FUNCTION", "LOAD", "#!lua name=\n"),
    ("FUNCTION", "LOAD", "#!lua name=a name=b\n"),
    ("FUNCTION", "LOAD", "#!lua foo=b\n"),
    ("FUNCTION", "LOAD", "#!lua name=a-b\n"),
    ("FUNCTION", "LOAD", "#!lua NAME=a\nx x"),
    ("FUNCTION", "LOAD", "#!LUA name=a\nx x"),
    ("FUNCTION", "LOAD", "#!js name=a\nx x"),
    ("FUNCTION", "LOAD", "#!js name=a-b\nx x"),
    ("FUNCTION", "LOAD", '#!lua name="a b\nx'),
    ("FUNCTION", "LOAD", '#!lua name="a"\nx'),
    ("FUNCTION", "LOAD", '#!lua "name=a"\nx x'),
    ("FUNCTION", "LOAD", "#!lua x\nx x"),
    load("x x"),
    load("return 1"),
    load("error('x')"),
    load("error({err='MY x'})"),
    load("error({})"),
    load("error(5)"),
    load("a = 1"),
    load("return a"),
    load("redis.call('get', 'x')"),
    load("return math.random()"),
    load("return redis.setresp(3)"),
    load("return pcall(1)"),
    load("return tostring(1)"),
    load("string.rep('x', 1)"),
    load("return redis.sha1hex('x')"),
    load("return _G"),
    load("return redis.REDIS_VERSION"),
    load("redis.x = 1"),
    load("return server.x"),
    load("return redis.REPL_ALL"),
    load("return KEYS"),
    load("local x = ('x'):upper() error('x')"),
    load("('x').y()"),
    load(REG + "()"),
    load(REG + "(1)"),
    load(REG + "('a')"),
    load(REG + "('a', 1)"),
    load(REG + "(1, 1)"),
    load(REG + "({}, 1)"),
    load(REG + "('a', function() end, 1)"),
    load(REG + "('a-b', function() end)"),
    load(REG + "('', function() end)"),
    load("local f = function() end " + REG + "('a', f) " + REG + "('a', f)"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "nothing"),
    load(REG + "{function_name='a', callback=function() end, flags={x='no-writes'}, description='d'}"),
    ("FUNCTION", "LIST"),
    ("FUNCTION", "LIST", "WITHCODE"),
    load(
        REG + "{function_name='a', callback=function() end, flags={'no-writes', 'allow-oom', 'allow-stale',"
        " 'no-cluster', 'allow-cross-slot-keys', 'no-writes'}, description='d'}"
    ),
    ("FUNCTION", "STATS"),
    # In whatever order a function names its flags, they are shown in the server's.
    load(
        REG + "{function_name='a', callback=function() end, flags={'allow-cross-slot-keys', 'no-cluster',"
        " 'allow-stale', 'no-cluster', 'allow-oom', 'no-writes'}}"
    ),
    ("FUNCTION", "LIST"),
    ("FUNCTION", "FLUSH"),
    load(REG + "{function_name='a', callback=function() end, flags={'no-writes'}, description='d'}"),
    ("FUNCTION", "LIST"),
    ("FUNCTION", "LOAD", lib(REG + "('b', function() end)")),
    ("FUNCTION", "LOAD", lib(REG + "('a', function() end)", "m")),
    load(REG + "('a', function() end)", "m"),
    load("x x"),
    ("FCALL", "a", 0),
    load("error('x')"),
    ("FCALL", "a", 0),
    ("FCALL", "A", 0),
    ("FUNCTION", "LIST", "X"),
    ("FUNCTION", "LIST", "LIBRARYNAME"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "l", "LIBRARYNAME", "m"),
    ("FUNCTION", "LIST", "WITHCODE", "WITHCODE"),
    ("FUNCTION", "LIST", "withcode", "libraryname", "*"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "L"),
    ("FUNCTION", "LIST", "LIBRARYNAME", "x"),
    ("FUNCTION", "DELETE"),
    ("FUNCTION", "DELETE", "x"),
    ("FUNCTION", "DELETE", "l"),
    ("FUNCTION", "DELETE", "l"),
    ("FUNCTION", "DELETE", "a", "b"),
    ("FUNCTION", "STATS"),
    ("FUNCTION", "STATS", "x"),
    ("FUNCTION", "KILL"),
    ("FUNCTION", "KILL", "x"),
    ("FUNCTION", "FLUSH", "x"),
    ("FUNCTION", "FLUSH", "SYNC", "x"),
    ("FUNCTION", "FLUSH", "async"),
    ("FUNCTION", "FLUSH", "SYNC"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "HELP", "x"),
    ("FCALL",),
    ("FCALL", "f"),
    ("FCALL", "f", 0),
    ("FCALL", "f", "x"),
    ("FCALL", "f", -1),
    ("FCALL", "f", 5),
    ("FUNCTION", "LOAD", LIB),
    ("FUNCTION", "LOAD", LIB),
    ("FCALL", "f", 0),
    ("FCALL", "F", 0),
    ("FCALL", "f", "x"),
    ("FCALL", "f", "1.5"),
    ("FCALL", "f", -1),
    ("FCALL", "f", 5),
    ("FCALL", "f", 1, "k", "a"),
    ("FCALL", "f", 2, "k", "l"),
    ("FCALL", "f", 0, "a"),
    ("FCALL_RO", "f", 0),
    ("FUNCTION", "FLUSH"),
    run("return redis.call('set', 'k', 'v')"),
    CALL,
    ("FCALL_RO", "f", 0),
    ("GET", "k"),
    run("return redis.call('set', 'k', 'v')", ", flags={'no-writes'}"),
    CALL,
    ("FCALL_RO", "f", 0),
    run("return redis.pcall('set', 'k', 'v')", ", flags={'no-writes'}"),
    CALL,
    run("return redis.call('get', 'k')", ", flags={'no-writes'}"),
    CALL,
    ("FCALL_RO", "f", 0),
    ("MULTI",),
    CALL,
    ("EXEC",),
    run("return redis.call('publish', 'k', 1)", ", flags={'no-writes'}"),
    CALL,
    run("error('x')"),
    CALL,
    run("error({err='MY x'})"),
    CALL,
    run("return redis.call('nosuch')"),
    CALL,
    run("return redis.call('incr', 'k')"),
    CALL,
    run("return redis.pcall('incr', 'k')"),
    CALL,
    run("return {err='MY x'}"),
    CALL,
    run("return redis.error_reply('x')"),
    CALL,
    run("\n\nlocal x = y"),
    CALL,
    run("x = 1"),
    CALL,
    run("return KEYS"),
    CALL,
    run("return ARGV"),
    CALL,
    run("return redis.register_function('g', function() end)"),
    CALL,
    run("return redis.nosuch"),
    CALL,
    run("redis.x = 1"),
    CALL,
    run("return redis.breakpoint()"),
    CALL,
    run("return redis.debug()"),
    CALL,
    run("return redis.replicate_commands()"),
    CALL,
    run(
        "return {tostring(math.abs(-1)), cjson.encode({1}), redis.sha1hex('x'),"
        " type(redis.REPL_ALL), type(bit), type(cmsgpack), type(struct)}"
    ),
    CALL,
    run("redis.setresp(3) return redis.call('hgetall', 'h')"),
    CALL,
    run("return 3.7"),
    CALL,
    run("return true"),
    CALL,
    run("return {double=3.5}"),
    CALL,
    run("string.x = 1"),
    CALL,
    run("_G.x = 1"),
    CALL,
    run("rawset(_G, 'x', 1)"),
    CALL,
    run("setmetatable(_G, {})"),
    CALL,
    run("local n = 0 for _ in pairs(_G) do n = n + 1 end return n > 5"),
    CALL,
    run("return redis.call('fcall', 'f', 0)"),
    CALL,
    run("return redis.call('function', 'list')"),
    CALL,
    run("return redis.call('eval', 'return 1', 0)"),
    CALL,
    run("return redis.call('get')"),
    CALL,
    run("return redis.call()"),
    CALL,
    run("return loadstring('return 1')()"),
    CALL,
    run('return loadstring(\'return redis.call("get", "k")\')()'),
    CALL,
    ("EVAL", "return redis.call('fcall', 'f', 0)", 0),
    ("EVAL", "return redis.call('function', 'stats')", 0),
    ("EVAL", "return redis.register_function", 0),
    load("local r = redis\n" + REG + "('f', function() return r.call('get', 'k') end)"),
    CALL,
    load("local reg = " + REG + "\n" + REG + "('f', function() return reg('get', function() end) end)"),
    CALL,
    load(
        "local n = 0\n"
        + REG
        + "('f', function() n = n + 1 return n end)\n"
        + REG
        + "('g', function() return n end)"
    ),
    CALL,
    CALL,
    ("FCALL", "g", 0),
    CALL,
    load("local function h()\n return redis.call('get', 'k') end\n" + REG + "('f', h)"),
    CALL,
    load(REG + "('f', function() return 1 end)\nerror('late')"),
    CALL,
    load("local r = pcall(" + REG + ")"),
    ("FUNCTION", "RESTORE", "x"),
    ("FUNCTION", "RESTORE", "x", "y"),
    ("FUNCTION", "RESTORE"),
    ("FUNCTION", "DUMP", "x"),
    ("FUNCTION", "RESTORE", "x", "FLUSH", "y"),
    ("FUNCTION", "STATS"),
)


@pytest.fixture
def peers(valkey: RealServer, redis_server: RealServer | None) -> Iterator[ScriptPeers]:
    both = ScriptPeers(server.port for server in (valkey, redis_server) if server is not None)
    both.command("FLUSHALL")
    both.command("FUNCTION", "FLUSH")
    yield both
    both.command("FUNCTION", "FLUSH")
    both.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_command_is_answered_as_it_is_there(peers: ScriptPeers, protocol: int) -> None:
    peers.command("HELLO", protocol)
    assert peers.disagreements(COMMANDS) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{}", "redis.register_function must get a function name argument"),
        ("{function_name='a'}", "redis.register_function must get a callback argument"),
        ("{callback=print_nothing}", "user_function:2: "),
        ("{callback=1}", "callback argument given to redis.register_function must be a function"),
        ("{function_name={}}", "function_name argument given to redis.register_function must be a string"),
        ("{x=1}", "unknown argument given to redis.register_function"),
        ("{1}", "unknown argument given to redis.register_function"),
        ("{[{}]=1}", "named argument key given to redis.register_function is not a string"),
        (
            "{flags=1}",
            "flags argument to redis.register_function must be a table representing function flags",
        ),
        ("{flags={'x'}}", "unknown flag given"),
        ("{flags={1}}", "unknown flag given"),
        ("{description={}}", "description argument given to redis.register_function must be a string"),
    ],
)
def test_named_arguments_are_checked(peers: ScriptPeers, arguments: str, message: str) -> None:
    assert peers.disagreements([load(REG + arguments)]) == []
    kind, text = EngineClient().execute(*load(REG + arguments))
    assert kind == "error"
    assert text.startswith("ERR Error registering functions: ERR " + message)


# Not beside the others: Redis 7.0 and Valkey 9.1 corrupt their memory over these two names.
def test_names_of_functions_have_no_case() -> None:
    client = EngineClient()
    body = "local f = function() return 1 end " + REG + "('a', f) " + REG + "('A', f)"
    assert client.execute(*load(body)) == b"l"
    assert client.execute("FCALL", "A", 0) == 1
    assert client.execute("FUNCTION", "DELETE", "l") == b"OK"
    assert client.execute("FCALL", "a", 0) == ("error", "ERR Function not found")


def test_numbers_are_names_and_descriptions() -> None:
    client = EngineClient()
    body = REG + "{function_name=1, description=2, callback=function() return 3 end}"
    assert client.execute("FUNCTION", "LOAD", lib(body)) == b"l"
    assert client.execute("FCALL", "1", 0) == 3


def test_code_that_does_not_end_is_stopped_while_it_is_loaded() -> None:
    client = EngineClient()
    client.execute("FUNCTION", "LOAD", LIB)
    assert client.execute("FUNCTION", "LOAD", "REPLACE", lib("while true do end", "lib")) == (
        "error",
        "ERR Error registering functions: ERR FUNCTION LOAD timeout",
    )
    assert client.execute("FCALL", "f", 1, "k", "a") == [[b"k"], [b"a"]]


def test_more_arguments_than_the_stack_holds_reach_a_function() -> None:
    client = EngineClient()
    client.execute("FUNCTION", "LOAD", lib(REG + "('f', function(keys, args) return {#keys, #args} end)"))
    assert client.execute("FCALL", "f", 3000, *range(9000)) == [3000, 6000]


def test_function_help_names_every_subcommand() -> None:
    lines = EngineClient().execute("FUNCTION", "HELP")
    named = {line.split()[0] for line in lines[1:] if not line.startswith(b" ")}
    assert named == set(b"DELETE DUMP FLUSH KILL LIST LOAD RESTORE STATS HELP".split())


def test_payloads_go_both_ways(valkey: RealServer, redis_server: RealServer | None) -> None:
    ours = EngineClient()
    ours.execute("FUNCTION", "LOAD", LIB)
    for server in (valkey, redis_server):
        if server is None:
            continue
        theirs = RealClient(server.port)
        theirs.execute("FUNCTION", "FLUSH")
        assert theirs.execute("FUNCTION", "RESTORE", ours.execute("FUNCTION", "DUMP")) == b"OK"
        assert theirs.execute("FCALL", "f", 0) == [[], []]
        other = EngineClient()
        assert other.execute("FUNCTION", "RESTORE", theirs.execute("FUNCTION", "DUMP")) == b"OK"
        assert other.execute("FCALL", "f", 0) == [[], []]
        theirs.execute("FUNCTION", "FLUSH")
        theirs.close()


def test_restoring_keeps_to_its_policy(valkey: RealServer) -> None:
    taken = lib(REG + "('f', function() return 2 end)", "other")
    answers = []
    for client in (EngineClient(), RealClient(valkey.port)):
        client.execute("FUNCTION", "FLUSH")
        client.execute("FUNCTION", "LOAD", LIB)
        payload = client.execute("FUNCTION", "DUMP")
        got = [
            client.execute("FUNCTION", "RESTORE", payload),
            client.execute("FUNCTION", "RESTORE", payload, "REPLACE"),
            client.execute("FUNCTION", "RESTORE", payload, "flush"),
            client.execute("FUNCTION", "DELETE", "lib"),
            client.execute("FUNCTION", "LOAD", taken),
            client.execute("FUNCTION", "RESTORE", payload),
            client.execute("FUNCTION", "RESTORE", payload, "REPLACE"),
            client.execute("FCALL", "f", 0),
            client.execute("FUNCTION", "RESTORE", payload, "FLUSH"),
            client.execute("FCALL", "f", 0),
            client.execute("FUNCTION", "STATS"),
            client.execute("FUNCTION", "RESTORE", payload[:-1] + b"x"),
        ]
        client.execute("FUNCTION", "FLUSH")
        client.close()
        answers.append(got)
    assert answers[0] == answers[1]


def test_libraries_share_nothing() -> None:
    client = EngineClient()
    body = "local n = 0\nredis.register_function('{0}', function() n = n + 1 return n end)"
    for name in ("a", "b"):
        client.execute("FUNCTION", "LOAD", lib(body.format(name), name))
    assert [client.execute("FCALL", name, 0) for name in "aab"] == [1, 2, 1]


def test_libraries_outlive_script_flush_and_flushall() -> None:
    client = EngineClient()
    client.execute("FUNCTION", "LOAD", LIB)
    client.execute("SCRIPT", "FLUSH")
    client.execute("FLUSHALL")
    assert client.execute("FCALL", "f", 0) == [[], []]
