from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.command(), "COMMAND"),
        sends(lambda c: c.command_info("get"), "COMMAND", "INFO", "get"),
        sends(lambda c: c.command_docs("get"), "COMMAND", "DOCS", "get"),
        sends(lambda c: c.command_count(), "COMMAND", "COUNT"),
        sends(lambda c: c.command_list(), "COMMAND", "LIST"),
        sends(lambda c: c.command_list(category="read"), "COMMAND", "LIST", "FILTERBY", "ACLCAT", "read"),
        sends(lambda c: c.command_list("m"), "COMMAND", "LIST", "FILTERBY", "MODULE", "m"),
        sends(lambda c: c.command_list(pattern="z*"), "COMMAND", "LIST", "FILTERBY", "PATTERN", "z*"),
        sends(lambda c: c.command_getkeys("GET", "a"), "COMMAND", "GETKEYS", "GET", "a"),
        sends(lambda c: c.command_getkeysandflags("GET", "a"), "COMMAND", "GETKEYSANDFLAGS", "GET", "a"),
        sends(lambda c: c.memory_doctor(), "MEMORY", "DOCTOR"),
        sends(lambda c: c.memory_malloc_stats(), "MEMORY", "MALLOC-STATS"),
        sends(lambda c: c.memory_purge(), "MEMORY", "PURGE"),
        sends(lambda c: c.memory_stats(), "MEMORY", "STATS"),
        sends(lambda c: c.memory_usage("a"), "MEMORY", "USAGE", "a"),
        sends(lambda c: c.memory_usage("a", 0), "MEMORY", "USAGE", "a", "SAMPLES", 0),
        sends(lambda c: c.latency_doctor(), "LATENCY", "DOCTOR"),
        sends(lambda c: c.latency_graph("e"), "LATENCY", "GRAPH", "e"),
        sends(lambda c: c.latency_histogram("get"), "LATENCY", "HISTOGRAM", "get"),
        sends(lambda c: c.latency_history("e"), "LATENCY", "HISTORY", "e"),
        sends(lambda c: c.latency_latest(), "LATENCY", "LATEST"),
        sends(lambda c: c.latency_reset("e"), "LATENCY", "RESET", "e"),
        sends(lambda c: c.module_list(), "MODULE", "LIST"),
        sends(lambda c: c.module_load("/m.so", 1), "MODULE", "LOAD", "/m.so", 1),
        sends(
            lambda c: c.module_loadex("/m.so", ["a", "1", "b", "2"], ["x"]),
            *("MODULE", "LOADEX", "/m.so", "CONFIG", "a", "1", "CONFIG", "b", "2", "ARGS", "x"),
        ),
        sends(lambda c: c.module_loadex("/m.so"), "MODULE", "LOADEX", "/m.so"),
        sends(lambda c: c.module_unload("m"), "MODULE", "UNLOAD", "m"),
        sends(lambda c: c.slowlog_get(), "SLOWLOG", "GET", decode=False),
        sends(lambda c: c.slowlog_get(-1), "SLOWLOG", "GET", -1, decode=False),
        sends(lambda c: c.slowlog_len(), "SLOWLOG", "LEN"),
        sends(lambda c: c.slowlog_reset(), "SLOWLOG", "RESET"),
        sends(lambda c: c.commandlog_get(5), "COMMANDLOG", "GET", 5, "SLOW", decode=False),
        sends(
            lambda c: c.commandlog_get(-1, "large-reply"),
            "COMMANDLOG",
            "GET",
            -1,
            "LARGE-REPLY",
            decode=False,
        ),
        sends(lambda c: c.commandlog_len("LARGE-REQUEST"), "COMMANDLOG", "LEN", "LARGE-REQUEST"),
        sends(lambda c: c.commandlog_reset(), "COMMANDLOG", "RESET", "SLOW"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.command_list("m", "read"), "module and category"),
        (lambda c: c.command_getkeys(), "COMMAND GETKEYS needs"),
        (lambda c: c.command_getkeysandflags(), "COMMAND GETKEYSANDFLAGS needs"),
        (lambda c: c.module_loadex("/m.so", ["a"]), "options must alternate"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.command_list(), [b"get", b"set"], ["get"]) == [["get", "set"], ["get"]]
    flags = [[b"a", [b"RO", b"access"]]]
    assert results(lambda c: c.command_getkeysandflags("GET", "a"), flags) == [[(b"a", ["RO", "access"])]]
    entry = [1, 1700000000, 15, [b"GET", b"\xff"], b"127.0.0.1:5", b""]
    common = {"id": 1, "start_time": 1700000000, "duration": 15, "command": b"GET \xff"}
    full = {**common, "client_address": b"127.0.0.1:5", "client_name": b""}
    assert results(lambda c: c.slowlog_get(), [entry], [entry[:4]], []) == [[full], [common], []]
    flat = [b"get", [b"calls", 3, b"histogram_usec", [1, 2, 4, 3]]]
    as_map = {"get": {"calls": 3, "histogram_usec": {1: 2, 4: 3}}}
    assert results(lambda c: c.latency_histogram(), flat, dict(as_map)) == [as_map, as_map]
    module = [b"name", b"json", b"ver", 1]
    expected = [{"name": b"json", "ver": 1}]
    assert results(lambda c: c.module_list(), [module], [{"name": b"json", "ver": 1}], []) == [
        expected,
        expected,
        [],
    ]
