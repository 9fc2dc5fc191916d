"""Task queues: what most programs want a Redis for."""

from __future__ import annotations

import math

import anyio
import pytest

# These packages let go of their connections as they please; that is not what is tested here.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.anyio]


def test_celery(url: str) -> None:
    from celery import Celery, chord
    from celery.contrib.testing.worker import start_worker

    app = Celery("programs", broker=url, backend=url)

    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with start_worker(app, perform_ping_check=False, pool="threads", concurrency=2):
        assert add.delay(2, 3).get(timeout=30) == 5
        assert add.apply_async((1, 1), countdown=0.1).get(timeout=30) == 2
        assert chord([add.s(i, i) for i in range(5)])(total.s()).get(timeout=30) == 20


def test_rq(url: str) -> None:
    import redis
    from rq import Queue, SimpleWorker

    connection = redis.Redis.from_url(url)
    queue = Queue(connection=connection)
    jobs = [queue.enqueue(math.factorial, number) for number in range(5)]
    failing = queue.enqueue(math.factorial, -1)
    SimpleWorker([queue], connection=connection).work(burst=True)
    assert [job.return_value() for job in jobs] == [1, 1, 2, 6, 24]
    assert failing.is_failed
    assert len(queue.failed_job_registry) == 1
    connection.close()


@pytest.mark.parametrize("broker", ["ListQueueBroker", "PubSubBroker", "RedisStreamBroker"])
async def test_taskiq(url: str, broker: str) -> None:
    import taskiq_redis
    from taskiq.api import run_receiver_task

    queue = getattr(taskiq_redis, broker)(url).with_result_backend(taskiq_redis.RedisAsyncResultBackend(url))

    @queue.task  # type: ignore[untyped-decorator]
    async def double(number: int) -> int:
        return 2 * number

    await queue.startup()
    async with anyio.create_task_group() as group:
        group.start_soon(run_receiver_task, queue)
        if broker == "PubSubBroker":
            import redis.asyncio

            async with redis.asyncio.Redis.from_url(url) as client:
                while not await client.pubsub_channels():
                    await anyio.lowlevel.checkpoint()
        task = await double.kiq(4)
        result = await task.wait_result(timeout=20)
        assert result.return_value == 8
        group.cancel_scope.cancel()
    await queue.shutdown()


async def test_pydocket(url: str) -> None:
    from datetime import UTC, datetime, timedelta

    from docket import Docket, Worker

    done: list[int] = []

    async def note(number: int) -> None:
        done.append(number)

    async with Docket(name="programs", url=url) as docket:
        for number in range(3):
            await docket.add(note)(number)
        await docket.add(note, when=datetime.now(UTC) + timedelta(milliseconds=200))(99)
        async with Worker(docket) as worker:
            await worker.run_until_finished()
    assert sorted(done) == [0, 1, 2, 99]


def test_dramatiq(url: str) -> None:
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=url)
    dramatiq.set_broker(broker)
    done: list[int] = []

    @dramatiq.actor
    def note(number: int) -> None:
        done.append(number)

    for number in range(3):
        note.send(number)
    worker = dramatiq.Worker(broker, worker_timeout=100)
    worker.start()
    broker.join("default", timeout=30_000)
    worker.join()
    worker.stop()
    assert sorted(done) == [0, 1, 2]


def test_huey(url: str) -> None:
    from huey import PriorityRedisHuey, RedisHuey

    for kind in (RedisHuey, PriorityRedisHuey):
        queue = kind(kind.__name__, url=url)

        @queue.task()
        def add(x: int, y: int) -> int:
            return x + y

        result = add(1, 2)
        queue.execute(queue.dequeue())
        assert result() == 3
