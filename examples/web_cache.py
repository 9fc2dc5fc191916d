"""A web application's sessions and page cache, as an ASGI application that any ASGI server runs.

    python examples/web_cache.py [URL]              visits it from fifty browsers, without a network
    uvicorn --app-dir examples web_cache:site       serves it

Sessions are hashes that expire half an hour after the last visit. A page that takes long to make is kept for a minute;
however many ask for it when it is not there, it is made once.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import anyio

from anystore import Store, start_store

SESSION_SECONDS = 30 * 60
PAGE_SECONDS = 60


class Site:
    """The application. Its store lives as long as the application does: from the lifespan's startup to its shutdown."""

    store: Store[str]

    def __init__(self, url: str) -> None:
        self.url = url
        self.reports_made = 0

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]
    ) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with start_store(self.url, namespace="web-cache:", decode_responses=True) as self.store:
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await self.store.flush()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            headers, body = await self.answer(scope)
            start = {"type": "http.response.start", "status": 200 if body else 404, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": (body or "There is no such page.").encode()})

    async def answer(self, scope: Any) -> tuple[list[tuple[bytes, bytes]], str]:
        cookies = dict(scope["headers"]).get(b"cookie", b"").decode()
        token = cookies.partition("session=")[2].partition(";")[0]
        query = parse_qs(scope["query_string"].decode())
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        match scope["path"]:
            case "/login":
                token = await self.log_in(query.get("name", ["somebody"])[0])
                headers.append((b"set-cookie", f"session={token}; HttpOnly; SameSite=Lax".encode()))
                return headers, "Welcome!"
            case "/":
                return headers, await self.greet(token)
            case "/logout":
                await self.store.client().delete(f"session:{token}")
                return headers, "Good-bye."
            case "/report":
                return headers, await self.cached("report", self.make_report)
        return headers, ""

    # Sessions.

    async def log_in(self, name: str) -> str:
        token = secrets.token_urlsafe()
        async with self.store.pipeline() as pipe:
            pipe.hset(f"session:{token}", mapping={"name": name, "visits": 0})
            pipe.expire(f"session:{token}", SESSION_SECONDS)
            await pipe.commit()
        return token

    async def greet(self, token: str) -> str:
        name = await self.store.client().hget(f"session:{token}", "name")
        if name is None:
            return "Who are you? /login?name=… tells me."
        async with self.store.pipeline() as pipe:
            visits = pipe.hincrby(f"session:{token}", "visits", 1)
            pipe.expire(f"session:{token}", SESSION_SECONDS)
            await pipe.commit()
        return f"Good day, {name}. This is visit number {await visits}."

    # Pages.

    async def cached(self, page: str, make: Callable[[], Awaitable[str]]) -> str:
        client = self.store.client()
        text = await client.get(f"page:{page}")
        if text is None:
            async with client.lock(f"making:{page}", timeout=30, sleep=0.01):
                text = await client.get(f"page:{page}")  # the one who had the lock before has made it
                if text is None:
                    text = await make()
                    await client.set(f"page:{page}", text, ex=PAGE_SECONDS)
        return text

    async def make_report(self) -> str:
        self.reports_made += 1
        await anyio.sleep(0.05)
        return f"Report number {self.reports_made}: all is well."


site = Site(os.environ.get("STORE_URL", "memory://"))


class Browser:
    """Visits a site that runs in this process, and keeps its cookie."""

    def __init__(self, app: Site) -> None:
        self.app = app
        self.cookie = b""

    async def get(self, path: str) -> str:
        path, _, query = path.partition("?")
        headers = [(b"cookie", self.cookie)] if self.cookie else []
        scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": headers}
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                self.cookie = value.partition(b";")[0]
        return str(sent[1]["body"].decode())


async def main(url: str = "memory://") -> int:
    app = Site(url)
    to_app, from_server = anyio.create_memory_object_stream[Any](1)
    to_server, from_app = anyio.create_memory_object_stream[Any](1)
    async with anyio.create_task_group() as tasks, to_app, from_server, to_server, from_app:
        tasks.start_soon(app, {"type": "lifespan"}, from_server.receive, to_server.send)
        await to_app.send({"type": "lifespan.startup"})
        await from_app.receive()

        emma = Browser(app)
        for path in ("/", "/login?name=Emma", "/", "/", "/logout", "/"):
            print(f"{path:20} {await emma.get(path)}")
        async with anyio.create_task_group() as visitors:
            for _ in range(50):
                visitors.start_soon(Browser(app).get, "/report")
        print(f"Fifty visitors, {app.reports_made} report made: {await emma.get('/report')}")

        await to_app.send({"type": "lifespan.shutdown"})
        await from_app.receive()
    return app.reports_made


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "memory://")
