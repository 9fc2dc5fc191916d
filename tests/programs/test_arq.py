"""arq wants an older redis-py than the other programs, so it has an environment of its own."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.anyio]


async def test_arq(url: str) -> None:
    from arq import Worker, create_pool, func
    from arq.connections import RedisSettings

    async def double(context: dict[str, Any], number: int) -> int:
        return 2 * number

    settings = RedisSettings.from_dsn(url)
    pool = await create_pool(settings)
    jobs = [await pool.enqueue_job("double", number) for number in range(3)]
    delayed = await pool.enqueue_job("double", 10, _defer_by=0.2)
    worker = Worker([func(double, name="double")], redis_settings=settings, burst=True, poll_delay=0.05,
                    handle_signals=False)  # fmt: skip
    await worker.async_run()
    assert [await job.result(timeout=10) for job in jobs if job is not None] == [0, 2, 4]
    assert delayed is not None
    assert await delayed.result(timeout=10) == 20
    await worker.close()
    await pool.aclose()
