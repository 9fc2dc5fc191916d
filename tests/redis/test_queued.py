from __future__ import annotations

import gc
from typing import Any

import pytest

from anystore.exceptions import ExecAbort, ResponseError, StoreError
from anystore.redis.queued import COMMANDS_A_TURN, Queue, commands_of
from anystore.resp.pack import pack_command

pytestmark = pytest.mark.anyio

MANY = 2 * COMMANDS_A_TURN + 5


class Turns:
    """Counts the turns that others got."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


def filled(count: int) -> Queue:
    queue = Queue()
    for number in range(count):
        queue.add(pack_command(("SET" if number % 2 else "GET", f"key:{number}", b"x" * 10)), None)
    return queue


class TestQueue:
    @pytest.mark.parametrize("count", [0, 1, COMMANDS_A_TURN, COMMANDS_A_TURN + 1, MANY])
    async def test_all_of_it_in_order(self, count: int) -> None:
        queue = filled(count)
        packed = await queue.joined(pack_command(("MULTI",)), pack_command(("EXEC",)), Turns())
        first, *commands, last = commands_of(bytes(packed))
        assert (first, last) == ([b"MULTI"], [b"EXEC"])
        assert [args[1] for args in commands] == [b"key:%d" % number for number in range(count)]
        assert len(queue) == count

    def test_names_are_those_of_the_commands(self) -> None:
        queue = filled(MANY)
        for index in (0, 1, COMMANDS_A_TURN - 1, COMMANDS_A_TURN, MANY - 2, MANY - 1):
            assert queue.name(index) == ("SET" if index % 2 else "GET")

    def test_the_last_commands(self) -> None:
        assert filled(2).commands() == [[b"GET", b"key:0", b"x" * 10], [b"SET", b"key:1", b"x" * 10]]

    def test_the_garbage_collector_has_nothing_to_walk(self) -> None:
        queue = Queue()
        gc.collect()
        before = len(gc.get_objects())
        for number in range(10_000):
            queue.add(pack_command(("SET", "key", number)), bool)
        assert len(gc.get_objects()) - before < 100


class TestSettling:
    async def test_results_and_handles(self) -> None:
        queue = Queue()
        handles = [queue.add(pack_command(("INCR", "key")), str) for _ in range(MANY)]
        assert not handles[0].done
        with pytest.raises(StoreError, match="INCR is queued"):
            handles[0].result()
        turns = Turns()
        replies: list[Any] = list(range(MANY))
        assert await queue.settle(replies, turns) is None
        assert replies == [str(number) for number in range(MANY)]
        assert [handle.result() for handle in handles] == replies
        assert turns.count == 2

    async def test_a_handle_keeps_its_result_whatever_becomes_of_the_list(self) -> None:
        queue = Queue()
        handle = queue.add(pack_command(("INCR", "key")), None)
        replies: list[Any] = [1]
        await queue.settle(replies, Turns())
        replies.clear()
        assert handle.result() == 1

    async def test_the_first_error(self) -> None:
        queue = filled(MANY)
        replies: list[Any] = [None] * MANY
        replies[5], replies[-1] = ResponseError("first"), ResponseError("last")
        failed = await queue.settle(replies, Turns())
        assert failed is not None
        assert failed[0] == 5
        assert str(failed[1]) == "first"

    async def test_why_a_transaction_was_dropped(self) -> None:
        queue = filled(MANY)
        replies: list[Any] = [ExecAbort("dropped") for _ in range(MANY)]
        failed = await queue.settle(list(replies), Turns())
        assert failed is not None
        assert failed[0] == 0
        replies[MANY - 2] = ResponseError("unknown command")
        failed = await filled(MANY).settle(replies, Turns())
        assert failed is not None
        assert failed[0] == MANY - 2

    async def test_hooks_come_before_converters_and_errors_are_outcomes(self) -> None:
        queue = Queue()
        first = queue.add(pack_command(("GET", "a")), len)
        queue.hooks[0] = bytes.split
        second = queue.add(pack_command(("GET", "b")), int)
        failed = await queue.settle([b"a b c", b"no number"], Turns())
        assert failed is not None
        assert failed[0] == 1
        assert first.result() == 3
        with pytest.raises(ValueError, match="no number"):
            second.result()

    async def test_decoding(self) -> None:
        queue = filled(MANY)
        queue.undecoded |= {1, MANY - 1}
        replies: list[Any] = [b"x"] * MANY
        await queue.settle(replies, Turns(), bytes.decode)
        assert [index for index, reply in enumerate(replies) if reply == b"x"] == [1, MANY - 1]
        assert replies[0] == "x"
