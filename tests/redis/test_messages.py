"""The buffer between a subscription and its readers, and what they read."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystore.backend import current_backend
from anystore.exceptions import InvalidArgument, PubSubError
from anystore.redis.messages import Gap, Message, MessageBuffer

pytestmark = pytest.mark.anyio


def make_buffer(size: int = 10, overflow: str = "drop_oldest") -> MessageBuffer[str]:
    return MessageBuffer(current_backend().waiter, size, overflow)


def drained(buffer: MessageBuffer[str]) -> list[Any]:
    items = []
    while (item := buffer.get_nowait()) is not None:
        items.append(item)
    return items


async def got(buffer: MessageBuffer[str]) -> str | Gap:
    while (item := buffer.get_nowait()) is None:
        await buffer.wait()
    return item


class TestReadables:
    async def test_a_message_by_the_names_of_redis_py(self) -> None:
        message = Message("pmessage", b"ab", b"data", b"a*")
        assert message.type == "pmessage"
        assert [message[name] for name in ("type", "pattern", "channel", "data")] == [
            *("pmessage", b"a*", b"ab", b"data")
        ]
        with pytest.raises(KeyError):
            message["kind"]

    async def test_a_gap_has_them_too(self) -> None:
        gap = Gap(dropped=3)
        assert (gap["type"], gap["pattern"], gap["channel"], gap["data"]) == ("gap", None, None, None)

    async def test_what_a_gap_knows_of_losses(self) -> None:
        assert Gap(dropped=3).lost == 3
        assert Gap(disconnects=1).lost is None
        assert Gap(dropped=3, disconnects=1).lost is None

    async def test_both_are_values(self) -> None:
        assert Gap(1, 2) == Gap(1, 2)
        assert hash(Message("message", "a", "b")) == hash(Message("message", "a", "b"))
        with pytest.raises(AttributeError):
            Gap().dropped = 1  # type: ignore[misc]


class TestOverflow:
    async def test_what_it_refuses(self) -> None:
        with pytest.raises(InvalidArgument, match="drop_oldest, block, raise"):
            make_buffer(overflow="explode")
        with pytest.raises(InvalidArgument, match="buffer_size"):
            make_buffer(size=0)

    async def test_a_queue(self) -> None:
        buffer = make_buffer()
        for item in "abc":
            buffer.put(item, 2)
        assert (len(buffer), buffer.bytes) == (3, 6)
        assert drained(buffer) == ["a", "b", "c"]
        assert (len(buffer), buffer.bytes) == (0, 0)

    async def test_the_oldest_are_dropped_and_counted(self) -> None:
        buffer = make_buffer()
        for item in "abcdefg":
            buffer.put(item, 4)
        assert (len(buffer), buffer.bytes) == (2, 8)
        assert drained(buffer) == [Gap(dropped=5), "f", "g"]

    async def test_a_message_larger_than_the_buffer_drives_out_all_others(self) -> None:
        buffer = make_buffer()
        buffer.put("a", 1)
        buffer.put("large", 100)
        assert drained(buffer) == [Gap(dropped=1), "large"]

    async def test_every_loss_is_reported_once(self) -> None:
        buffer = make_buffer()
        for item in "abcd":
            buffer.put(item, 4)
        assert buffer.get_nowait() == Gap(dropped=2)
        for item in "ef":
            buffer.put(item, 4)
        assert drained(buffer) == [Gap(dropped=2), "e", "f"]

    async def test_raising_goes_on_afterwards(self) -> None:
        buffer = make_buffer(overflow="raise")
        for item in "abcd":
            buffer.put(item, 4)
        with pytest.raises(PubSubError, match=r"^2 messages") as caught:
            buffer.get_nowait()
        assert caught.value.lost == 2
        assert drained(buffer) == ["c", "d"]

    async def test_raising_tells_of_an_interruption_in_the_same_place_too(self) -> None:
        buffer = make_buffer(overflow="raise")
        buffer.put("a", 4)
        buffer.tear()
        for item in "bcd":
            buffer.put(item, 4)
        buffer.mend()
        with pytest.raises(PubSubError) as caught:
            buffer.get_nowait()
        assert caught.value.lost == 2
        assert drained(buffer) == [Gap(disconnects=1), "c", "d"]

    async def test_blocking_keeps_all_and_says_when_it_is_full(self) -> None:
        buffer = make_buffer(overflow="block")
        for item in "abcd":
            buffer.put(item, 4)
        assert buffer.full
        freed = []

        async def fill() -> None:
            await buffer.wait_for_room()
            freed.append(len(buffer))

        async with anyio.create_task_group() as group:
            group.start_soon(fill)
            await anyio.wait_all_tasks_blocked()
            for expected in ("a", "b", "c"):
                assert buffer.get_nowait() == expected
        assert freed == [1]
        assert drained(buffer) == ["d"]


class TestInterruptions:
    async def test_the_gap_is_read_when_it_is_mended_and_not_before(self) -> None:
        buffer = make_buffer()
        buffer.put("a", 1)
        buffer.tear()
        buffer.put("b", 1)
        assert drained(buffer) == ["a"]
        buffer.mend()
        assert drained(buffer) == [Gap(disconnects=1), "b"]

    async def test_interruptions_with_nothing_in_between_are_one_gap(self) -> None:
        buffer = make_buffer()
        buffer.tear()
        buffer.tear()
        buffer.mend()
        assert drained(buffer) == [Gap(disconnects=2)]

    async def test_what_is_dropped_on_both_sides_is_in_the_gap(self) -> None:
        buffer = make_buffer()
        buffer.put("a", 4)
        buffer.tear()
        for item in "bcd":
            buffer.put(item, 4)
        buffer.mend()
        assert drained(buffer) == [Gap(dropped=2, disconnects=1), "c", "d"]

    async def test_dropping_up_to_a_gap_takes_it_in(self) -> None:
        buffer = make_buffer()
        buffer.put("a", 8)
        buffer.tear()
        buffer.put("b", 8)
        buffer.mend()
        assert drained(buffer) == [Gap(dropped=1, disconnects=1), "b"]

    async def test_clearing(self) -> None:
        buffer = make_buffer()
        buffer.tear()
        buffer.put("a", 1)
        buffer.clear()
        buffer.put("b", 1)
        assert drained(buffer) == ["b"]


class TestReaders:
    async def test_readers_are_served_in_their_order(self) -> None:
        buffer = make_buffer()
        read: list[tuple[int, Any]] = []

        async def reader(number: int) -> None:
            read.append((number, await got(buffer)))

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(reader, number)
                await anyio.wait_all_tasks_blocked()
            for item in "abc":
                buffer.put(item, 1)
                await anyio.wait_all_tasks_blocked()
        assert read == [(0, "a"), (1, "b"), (2, "c")]

    async def test_a_reader_that_is_cancelled_loses_no_message(self) -> None:
        buffer = make_buffer()
        read: list[Any] = []

        async def reader(scope: anyio.CancelScope) -> None:
            with scope:
                read.append(await got(buffer))

        async with anyio.create_task_group() as group:
            scopes = [anyio.CancelScope(), anyio.CancelScope()]
            for scope in scopes:
                group.start_soon(reader, scope)
                await anyio.wait_all_tasks_blocked()
            buffer.put("a", 1)  # wakes the first one …
            scopes[0].cancel()  # … which comes to read on asyncio, but not on trio
            await anyio.wait_all_tasks_blocked()
            scopes[1].cancel()
        assert read == ["a"]

    async def test_waiting_in_vain_leaves_nothing_behind(self) -> None:
        buffer = make_buffer()
        for _ in range(10):
            with anyio.move_on_after(0):
                await buffer.wait()
        assert not buffer._readers

    async def test_a_gap_and_what_follows_wake_two_readers(self) -> None:
        buffer = make_buffer()
        read: list[Any] = []

        async def reader() -> None:
            read.append(await got(buffer))

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(reader)
            await anyio.wait_all_tasks_blocked()
            buffer.tear()
            buffer.put("a", 1)
            await anyio.wait_all_tasks_blocked()
            assert read == []
            buffer.mend()
            await checkpoint()
        assert sorted(map(str, read)) == ["Gap(dropped=0, disconnects=1)", "a"]
