"""A chat on channels: events with names, patterns of them, and what happens to the connection.

    python examples/chat.py                                          two people, for a look
    python examples/chat.py redis://localhost:6379/0 Emma            you, in this terminal; others in theirs

A room is a channel. What happens in it are the events `message`, `user.joined` and `user.left`.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

import anyio
from anyio import to_thread

from anystore import Store, start_store
from anystore.redis.channels import Channel


class Member:
    """Somebody in a room, from `async with` on: hears everything, and says something now and then."""

    def __init__(self, store: Store[bytes], name: str, room: str) -> None:
        self.name = name
        self.room = room
        self.heard: list[str] = []
        self.news = anyio.Event()
        self.channels = store.channels(namespace="chat")

    async def __aenter__(self) -> Self:
        await self.channels.register(self.room, "message", self.on_message)
        await self.channels.register(self.room, "user.*", self.on_user)
        await self.channels.register("server", "*", self.on_status)
        await self.channels.connect()
        await self.channels.publish(self.room, "user.joined", {"name": self.name})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.move_on_after(2, shield=True):
            await self.channels.publish(self.room, "user.left", {"name": self.name})
            await self.channels.close()

    async def say(self, text: str) -> None:
        await self.channels.publish(self.room, "message", {"name": self.name, "text": text})

    async def wait_for(self, line: str) -> None:
        while line not in self.heard:
            await self.news.wait()

    def on_message(self, channel: Channel, event: str, data: Any) -> None:
        self.hear(f"{data['name']}: {data['text']}")

    def on_user(self, channel: Channel, event: str, data: Any) -> None:
        self.hear(f"{data['name']} has {event.removeprefix('user.')}")

    def on_status(self, channel: Channel, event: str, data: Any) -> None:
        # After a lost connection the channels are there again by themselves; a gap says what may be missing.
        if event in ("disconnected", "gap"):
            self.hear(f"({event}: some messages may be missing)")

    def hear(self, line: str) -> None:
        self.heard.append(line)
        self.news.set()
        self.news = anyio.Event()


class Screen(Member):
    """A member who sees what is said."""

    def hear(self, line: str) -> None:
        print(line, flush=True)
        super().hear(line)


async def demonstrate(url: str) -> list[str]:
    """Two people talk; what one of them heard."""
    async with start_store(url) as store, Screen(store, "Emma", "highbury") as emma:
        await emma.wait_for("Emma has joined")
        async with Member(store, "Mr Knightley", "highbury") as knightley:
            await emma.wait_for("Mr Knightley has joined")
            await emma.say("Is not this a fine evening?")
            await knightley.wait_for("Emma: Is not this a fine evening?")
            await knightley.say("Very fine.")
            await emma.wait_for("Mr Knightley: Very fine.")
        await emma.wait_for("Mr Knightley has left")
        return list(emma.heard)


async def talk(url: str, name: str) -> None:
    """Say what is typed, line by line, until the end of the input."""
    async with start_store(url) as store, Screen(store, name, "lobby") as member:
        while line := await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            await member.say(line.strip())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        anyio.run(talk, sys.argv[1], sys.argv[2])
    else:
        anyio.run(demonstrate, sys.argv[1] if len(sys.argv) > 1 else "memory://")
