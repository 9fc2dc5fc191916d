"""What holds the event loop while very many commands go out and come back: no step does more than so many, or so many bytes.

How long a step takes hangs on the machine, and is measured by the benchmarks and in `test_lifetime`. What a step may do
at most is the same everywhere, and is told here, without a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from anystore import create_store
from anystore.exceptions import ExecAbort, ResponseError
from anystore.pulsards import PulsarDS
from anystore.pulsards.memory import MemoryStream
from anystore.redis.distribution import MORE_BYTES, REPLIES_A_TURN, Distribution, bytes_next
from anystore.redis.entries import Bundle, Entry
from anystore.redis.outgoing import AT_ONCE_BYTES
from anystore.redis.pipeline import replies_of_exec
from anystore.redis.queued import COMMANDS_A_TURN, JOINED_BYTES, Queue
from anystore.resp.pack import pack_command
from anystore.resp.replies import ReplyParser
from anystore.streams import RECEIVE_BYTES
from tests.redis.test_connection import Blind, connected
from tests.redis.test_queued import MANY, Turns
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


class Sizes(Blind):
    """Notes how much it is asked for at a time."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.asked: list[int] = []

    async def receive(self, max_bytes: int = 65536) -> bytes:
        self.asked.append(max_bytes)
        return await super().receive(max_bytes)


class TestPuttingTogether:
    @pytest.mark.parametrize(
        ("commands", "value_bytes"),
        [(MANY, 10_000), (10, JOINED_BYTES), (3, 3 * JOINED_BYTES + 1), (100_000, 20)],
    )
    async def test_f23_no_more_than_so_many_bytes_in_a_turn(self, commands: int, value_bytes: int) -> None:
        queue, turns = Queue(), Turns()
        packed = pack_command(("SET", "key", b"x" * value_bytes))
        for _ in range(commands):
            queue.add(packed, None)
        assert await queue.joined(b"before", b"after", turns) == b"before" + commands * packed + b"after"
        # What is over the limit in one turn is less than what one turn may have.
        assert turns.count + 1 >= commands * len(packed) / (2 * JOINED_BYTES)

    async def test_f23_few_commands_are_put_together_at_once(self) -> None:
        queue, turns = Queue(), Turns()
        for _ in range(COMMANDS_A_TURN):
            queue.add(pack_command(("SET", "key", b"x" * 100)), None)
        assert len(await queue.joined(b"", b"", turns)) < JOINED_BYTES
        assert turns.count == 0

    async def test_f23_large_commands_are_not_copied_while_they_are_queued(self) -> None:
        queue = Queue()
        packed = [pack_command(("SET", f"key:{number}", b"x" * 1000)) for number in range(MANY)]
        for command in packed:
            queue.add(command, None)
        first, second = queue._pieces
        assert isinstance(first, list)
        assert all(one is other for one, other in zip([*first, *second], packed, strict=False))
        assert queue.name(0) == queue.name(COMMANDS_A_TURN + 1) == queue.name(MANY - 1) == "SET"


class TestReceiving:
    def test_f23_much_is_received_at_once_within_a_large_string_only(self) -> None:
        assert bytes_next(b"x" * RECEIVE_BYTES) == MORE_BYTES
        assert bytes_next(b"x" * (RECEIVE_BYTES - 1)) == RECEIVE_BYTES
        assert bytes_next((b"+QUEUED\r\n" * RECEIVE_BYTES)[:RECEIVE_BYTES]) == RECEIVE_BYTES
        assert bytes_next(b"x" * RECEIVE_BYTES + b"\r\n$70000\r\n" + b"y" * 500) == RECEIVE_BYTES
        assert bytes_next(OSError()) == RECEIVE_BYTES

    async def test_f23_an_array_of_small_things_comes_in_small_pieces(self) -> None:
        streams: list[Sizes] = []

        def wrap(stream: Any) -> Sizes:
            streams.append(Sizes(stream))
            return streams[0]

        elements = 100_000
        async with connected(wrap) as (connection, peer), anyio.create_task_group() as group:
            bundle = Bundle(1)

            async def answer() -> None:
                await peer.read(1)
                data = b"*%d\r\n" % elements + b":1\r\n" * elements
                while data:
                    await anyio.wait_writable(peer.sock)
                    data = data[peer.sock.send(data) :]

            group.start_soon(answer)
            assert await connection.request(b"x", bundle) is None
            assert bundle.replies == [[1] * elements]
        assert len(streams[0].asked) >= 4 * elements / RECEIVE_BYTES
        assert set(streams[0].asked) == {RECEIVE_BYTES}


class TestTransactions:
    async def test_f23_what_is_queued_is_let_go_of_as_it_comes(self) -> None:
        parser, fifo = ReplyParser("utf-8"), _fifo()
        (bundle,) = fifo
        distribution = Distribution(fifo, [], parser, None, lambda: False)
        commands = 2 * REPLIES_A_TURN
        parser.feed(b"+OK\r\n" + (commands - 1) * b"+QUEUED\r\n" + b"-ERR no\r\n*0\r\n")
        while distribution.give_out():
            assert isinstance(bundle, Bundle)
            assert set(bundle.replies) == {None}
        assert isinstance(bundle, Bundle)
        *queued, refused, done = bundle.replies
        assert len(queued) == commands
        assert (str(refused), done) == ("ERR no", [])
        assert set(queued[: 2 * REPLIES_A_TURN]) == {None}

    async def test_f23_what_nobody_waits_for_any_more_is_let_go_of_as_it_comes(self) -> None:
        parser, fifo = ReplyParser("utf-8"), _fifo(atomic=False, cancelled=True)
        (bundle,) = fifo
        distribution = Distribution(fifo, [], parser, None, lambda: False)
        parser.feed(b"$4\r\ngone\r\n" * (REPLIES_A_TURN + 5))
        assert distribution.give_out()
        assert isinstance(bundle, Bundle)
        assert bundle.replies == [None] * REPLIES_A_TURN

    async def test_f23_the_replies_are_not_copied(self) -> None:
        done = [1] * MANY
        assert await replies_of_exec(["OK", *[None] * MANY, done], Turns()) is done

    async def test_f23_why_it_was_dropped_is_told_with_turns_for_others(self) -> None:
        turns = Turns()
        why = ResponseError("ERR unknown command")
        queued: list[Any] = [None] * MANY
        queued[7] = why
        replies = await replies_of_exec(["OK", *queued, ExecAbort("EXECABORT dropped")], turns)
        assert len(replies) == MANY
        assert replies[7] is why
        del replies[7]
        assert {type(reply) for reply in replies} == {ExecAbort}
        assert len(set(map(id, replies))) == MANY - 1
        assert turns.count == 2

    async def test_f23_many_commands_of_which_one_is_refused(self, valkey: RealServer) -> None:
        async with create_store(valkey.dsn) as store, store.pipeline() as pipe:
            for _ in range(MANY):
                pipe.incr("held:count")
            refused = pipe.execute_command("NOSUCH")
            results = await pipe.commit(raise_on_error=False)
            assert {type(result) for result in results[:-1]} == {ExecAbort}
            with pytest.raises(ResponseError, match="unknown command"):
                await refused
            assert await store.client().get("held:count") is None


class Recording(Blind):
    """The way into a server in the same process, with a record of how much went in at a time."""

    answers_at_once = True

    def __init__(self, stream: MemoryStream) -> None:
        super().__init__(stream)
        self._send_nowait = stream.send_nowait
        self.sizes: list[int] = []
        self.receive_nowait = stream.receive_nowait
        self.wait_send = stream.wait_send
        self.interrupt = stream.interrupt
        self.close = stream.close

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        self.sizes.append(len(data))
        return self._send_nowait(data)


class TestInTheSameProcess:
    """The server carries out what is sent before the sending returns, so that must not be a whole pipeline."""

    @pytest.fixture(params=[False, True], ids=["pipeline", "transaction"])
    def transaction(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param)

    async def recorded(self, use: Callable[[Any], Awaitable[None]]) -> list[int]:
        streams: list[Recording] = []
        async with PulsarDS() as server:

            async def connect() -> ByteStream:
                streams.append(Recording(server.connect_stream()))
                return streams[-1]

            async with create_store("redis://here", connect_stream=connect) as store:
                await store.client().ping()
                streams[0].sizes.clear()
                await use(store)
        assert len(streams) == 1
        return streams[0].sizes

    async def test_f23_a_pipeline_goes_in_piece_by_piece(self, transaction: bool) -> None:
        turns = 0
        commands = 20_000

        async def use(store: Any) -> None:
            nonlocal turns
            done = False

            async def tick() -> None:
                nonlocal turns
                while not done:
                    turns += 1
                    await checkpoint()

            async with anyio.create_task_group() as group:
                async with store.pipeline(transaction=transaction) as pipe:
                    for number in range(commands):
                        pipe.rpush("list", number)
                    group.start_soon(tick)
                    assert await pipe.commit() == list(range(1, commands + 1))
                done = True
            assert await store.client().lrange("list", 0, -1) == [
                b"%d" % number for number in range(commands)
            ]

        sizes = await self.recorded(use)
        assert max(sizes) <= AT_ONCE_BYTES
        assert turns > commands / COMMANDS_A_TURN

    async def test_f23_cancelled_within_it_a_transaction_is_whole_or_not_at_all(self) -> None:
        commands = 20_000

        async def use(store: Any) -> None:
            for turns in (1, 10, 40):
                await store.client().delete("list")
                with anyio.CancelScope() as scope:
                    async with store.pipeline() as pipe, anyio.create_task_group() as group:
                        for number in range(commands):
                            pipe.rpush("list", number)

                        async def cancel(turns: int = turns, scope: anyio.CancelScope = scope) -> None:
                            for _ in range(turns):
                                await checkpoint()
                            scope.cancel()

                        group.start_soon(cancel)
                        await pipe.commit()
                assert await store.client().llen("list") in (0, commands)

        await self.recorded(use)

    async def test_a_large_value_alone_goes_in_at_once(self) -> None:
        value = b"x" * 1_000_000

        async def use(store: Any) -> None:
            await store.client().set("key", value)
            assert await store.client().get("key") == value

        assert max(await self.recorded(use)) > len(value)

    async def test_large_values_of_many_tasks(self) -> None:
        async def use(store: Any) -> None:
            client = store.client()

            async def task(number: int) -> None:
                value = b"%d" % number * 300_000
                await client.set(f"key:{number}", value)
                assert await client.get(f"key:{number}") == value

            async with anyio.create_task_group() as group:
                for number in range(10):
                    group.start_soon(task, number)

        await self.recorded(use)


def _fifo(*, atomic: bool = True, cancelled: bool = False) -> deque[Entry]:
    bundle = Bundle(2 * REPLIES_A_TURN + 2, atomic=atomic)
    bundle.waiter = _Waiter(cancelled)  # type: ignore[assignment]
    return deque([bundle])


class _Waiter:
    def __init__(self, done: bool) -> None:
        self._done = done

    def done(self) -> bool:
        return self._done

    def set_result(self, value: Any) -> None:
        self._done = True
