"""The guide "Moving house": its commands, run as they stand there, while clients write."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.pulsards.peers import RealClient
from tests.pulsards.replication.loads import caught_up, execute, linked, seed, until
from tests.pulsards.replication.test_servers import THERE, client_of, pulsards, real_server, run, same

pytestmark = pytest.mark.anyio

GUIDE = (Path(__file__).parents[3] / "docs" / "moving-house.md").read_text("utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
#: Each command of the guide, and the lines that it prints there.
COMMANDS = [command.strip().split("\n") for block in BLOCKS for command in block.split("$ ")[1:]]


def shown(reply: Any, filtered: str) -> list[str]:
    """A reply as redis-cli prints it where its output is no terminal, after the pipe of the guide."""
    items = reply if isinstance(reply, list) else [reply]
    lines = [
        line
        for item in items
        for line in (item.decode() if isinstance(item, bytes) else str(item)).replace("\r", "").split("\n")
    ]
    if filtered == "head -1":
        return lines[:1]
    if filtered.startswith("grep "):
        return [line for line in lines if filtered.removeprefix("grep ") in line]
    assert not filtered
    return lines


async def follow_guide(clients: dict[str, RealClient], ports: dict[str, int], lines: list[str]) -> None:
    """Run a command of the guide until it prints what stands there."""
    line, *printed = lines
    command, _, filtered = line.partition(" | ")
    program, option, host, *words = shlex.split(command)
    assert (program, option) == ("redis-cli", "-h")
    if words[:2] == ["REPLICAOF", "old"]:
        words[1:] = ["127.0.0.1", str(ports["old"])]
    client = clients[host]
    if filtered:
        await until(
            lambda: shown(client.execute(*words), filtered),
            lambda found: found == printed,
            f"{line}: {printed}",
        )
    else:
        assert shown(await execute(client, *words), "") == printed, line


class Writer:
    """Counts up, where the data are: on the old server until it refuses, then on the new one."""

    def __init__(self, ports: dict[str, int], number: int, passwords: dict[str, str]) -> None:
        self.key = f"written:{number}"
        self.acknowledged = 0
        self.refused = 0
        self.done = False
        self._ports = ports
        self._passwords = passwords

    def run(self) -> None:
        for place in ("old", "new"):
            client = RealClient(self._ports[place])
            if place in self._passwords:
                client.execute("AUTH", self._passwords[place])
            try:
                while not self.done:
                    reply = client.execute("INCR", self.key)
                    if isinstance(reply, tuple):
                        assert "READONLY" in reply[1], reply
                        self.refused += 1
                        break
                    self.acknowledged += 1
                    assert reply == self.acknowledged
            finally:
                client.close()


async def move(old: RealClient, new: RealClient, passwords: dict[str, str] | None = None) -> None:
    ports = {"old": old.port, "new": new.port}
    clients = {"old": old, "new": new}
    await run(old, seed())
    writers = [Writer(ports, number, passwords or {}) for number in range(3)]
    async with anyio.create_task_group() as group:
        for writer in writers:
            group.start_soon(anyio.to_thread.run_sync, writer.run)
        try:
            for lines in COMMANDS[:-2]:
                await follow_guide(clients, ports, lines)
        except BaseException:
            for writer in writers:
                writer.done = True
            raise
        await until(lambda: [writer.refused for writer in writers], lambda refused: refused == [1, 1, 1])
        for writer in writers:
            before = writer.acknowledged
            await until(lambda writer=writer: writer.acknowledged, lambda now, before=before: now > before)
            writer.done = True
    await linked(old)
    await caught_up(new, old)
    await same(new, old)
    for lines in COMMANDS[-2:]:
        await follow_guide(clients, ports, lines)
    for writer in writers:
        assert await execute(new, "GET", writer.key) == b"%d" % writer.acknowledged
        assert writer.acknowledged > 1


def test_the_guide_has_its_commands() -> None:
    assert [command[0].split()[3] for command in COMMANDS] == [
        *("REPLICAOF", "INFO", "FAILOVER", "ROLE", "ROLE", "CLIENT", "REPLICAOF")
    ]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", THERE)
async def test_from_a_real_server_to_pulsards_and_no_write_is_lost(name: str, anyio_backend: str) -> None:
    with real_server(name) as real, client_of(real) as old:
        async with pulsards() as (_, new):
            await move(old, new)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", THERE)
async def test_from_pulsards_to_a_real_server_and_no_write_is_lost(name: str, anyio_backend: str) -> None:
    with real_server(name) as real, client_of(real) as new:
        async with pulsards() as (_, old):
            await move(old, new)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("to_pulsards", [True, False])
async def test_each_knows_the_password_of_the_other(to_pulsards: bool, anyio_backend: str) -> None:
    """What stands under "Before": by CONFIG SET, while they run."""
    with real_server("valkey", "--requirepass", "theirs") as real, client_of(real) as there:
        there.execute("AUTH", "theirs")
        there.execute("CONFIG", "SET", "masterauth", "ours")
        async with pulsards(requirepass="ours") as (_, here):
            await execute(here, "AUTH", "ours")
            await execute(here, "CONFIG", "SET", "masterauth", "theirs")
            if to_pulsards:
                await move(there, here, {"old": "theirs", "new": "ours"})
            else:
                await move(here, there, {"old": "ours", "new": "theirs"})
