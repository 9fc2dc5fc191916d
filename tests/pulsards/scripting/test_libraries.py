"""Libraries, without the commands."""

from __future__ import annotations

from typing import Any

import pytest

from anystore.pulsards.errors import CommandError
from anystore.pulsards.persistence.rdb import PayloadMismatch, RdbError, dump_payload
from anystore.pulsards.scripting import Libraries, ScriptError
from anystore.pulsards.scripting.library_payload import dump_libraries, load_libraries

CODE = b"#!lua name=lib\nredis.register_function('f', function(keys, args) return {keys, args} end)"


def no_command(arguments: list[bytes], protocol: int) -> Any:
    raise AssertionError("no function here calls a command")


def call(libraries: Libraries, name: bytes, *arguments: bytes) -> Any:
    function = libraries.find(name)
    assert function is not None
    return libraries.run(function, [], list(arguments), no_command)


def test_what_cannot_be_loaded_leaves_what_was_there() -> None:
    libraries = Libraries()
    library = libraries.load(CODE)
    for broken in (b"x x", b"y = 1", b"redis.register_function('a-b', 1)", b"while true do end"):
        with pytest.raises(CommandError):
            libraries.load(
                b"#!lua name=lib\nredis.register_function('g', redis.log)\n" + broken, replace=True
            )
    assert list(libraries) == [library]
    assert call(libraries, b"f", b"a") == [[], [b"a"]]
    assert libraries.find(b"g") is None


def test_a_library_out_of_memory_is_not_loaded() -> None:
    libraries = Libraries(memory_limit=4 << 20)
    libraries.load(CODE)
    with pytest.raises(CommandError, match="not enough memory"):
        libraries.load(b"#!lua name=big\nlocal s = ('x'):rep(1024) while true do s = s .. s end")
    assert call(libraries, b"f", b"a") == [[], [b"a"]]


def test_a_function_that_has_been_replaced_does_not_run() -> None:
    libraries = Libraries()
    libraries.load(CODE)
    function = libraries.find(b"f")
    assert function is not None
    libraries.load(CODE, replace=True)
    with pytest.raises(RuntimeError):
        libraries.run(function, [], [], no_command)


def test_a_function_that_fails_is_named() -> None:
    libraries = Libraries()
    libraries.load(b"#!lua name=lib\nredis.register_function('Fails', function() error('so') end)")
    with pytest.raises(ScriptError) as raised:
        call(libraries, b"fails")
    assert raised.value.message == b"ERR user_function:2: so script: Fails, on @user_function:2."


def test_flushing_forgets_all() -> None:
    libraries = Libraries()
    libraries.load(CODE)
    libraries.flush()
    assert (len(libraries), libraries.function_count, libraries.find(b"f")) == (0, 0, None)
    libraries.load(CODE)
    assert call(libraries, b"f") == [[], []]


@pytest.mark.parametrize("codes", [[], [CODE], [CODE, b"12", b"x" * 5000]])
def test_payloads_give_back_what_they_hold(codes: list[bytes]) -> None:
    assert load_libraries(dump_libraries(codes)) == codes


def test_a_damaged_payload_is_refused() -> None:
    payload = dump_libraries([CODE])
    for damaged in (b"", payload[1:], payload[:-1] + b"x", payload[:-10] + b"\xff\xff" + payload[-8:]):
        with pytest.raises(PayloadMismatch):
            load_libraries(damaged)


def test_a_payload_of_something_else_is_refused() -> None:
    with pytest.raises(RdbError):
        load_libraries(dump_payload(b"value"))
