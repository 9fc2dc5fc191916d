"""The servers that are measured, each in a process and a folder of its own, by name; and keys for them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
import psutil

from tests.pulsards.peers import Argument, RealClient
from tests.servers import free_port, redis_binary, valkey_binary

FAKEREDIS = """
import sys
from fakeredis import TcpFakeServer
TcpFakeServer(("127.0.0.1", int(sys.argv[-1]))).serve_forever()
"""
BACKENDS = ("asyncio", "uvloop", "trio")
#: Commands sent before their answers are read.
_BATCH = 1000
_PATIENCE = 300.0


@dataclass(frozen=True)
class Running:
    """A server that answers: a client of it, its process, and the seconds until its first answer."""

    port: int
    client: RealClient
    process: psutil.Process
    seconds: float

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        lines = self.client.execute("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def cpu(self) -> float:
        """The seconds of the processor's time that it has taken so far, the system's among them."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


def installed(python: str) -> tuple[list[str], dict[str, str]]:
    """How a Python is started so that it has what is installed for it, not what lies around here; its environment."""
    return [python, "-P"], {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def command(name: str, python: str | None = None) -> list[str]:
    """How a server is started, but for its port; nothing is saved unless that is asked for.

    With `python`, pulsards is what is installed for that Python, instead of the one that runs here.
    """
    kept = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    if name == "Redis":
        return [redis_binary() or valkey_binary(), *kept, "--port"]
    if name == "fakeredis":
        return [sys.executable, "-c", FAKEREDIS]
    backend = ["--backend", name] if name in BACKENDS else []
    start = [sys.executable] if python is None else installed(python)[0]
    return [*start, "-m", "anystore.pulsards", *backend, *kept, "--port"]


def reference_name() -> str:
    """Which real server is the reference, as it says itself."""
    words = subprocess.run([command("Redis")[0], "--version"], capture_output=True, text=True, check=True)
    name, _, version = words.stdout.split()[:3]
    return f"{name} {version.removeprefix('v=')}"


@contextmanager
def running(
    name: str,
    *arguments: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    python: str | None = None,
) -> Iterator[Running]:
    """A server for as long as the block lasts; `arguments` are its own options, `folder` is where its files are.

    With `python`, it is the pulsards that is installed for that Python.
    It is killed in the end, whatever happened, and a folder that was not given is removed.
    """
    with tempfile.TemporaryDirectory(prefix="as") as temporary:
        port = free_port()
        places = [] if name == "fakeredis" else ["--dir", str(folder or temporary)]
        if python is not None and environment is None:
            environment = installed(python)[1]
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*command(name, python), str(port), *places, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=None if environment is None else dict(environment),
        )
        try:
            client = _answering(name, process, port)
            seconds = time.perf_counter() - begun
            try:
                yield Running(port, client, psutil.Process(process.pid), seconds)
            finally:
                client.close()
        finally:
            process.kill()
            process.wait(timeout=60)


def _answering(name: str, process: subprocess.Popen[bytes], port: int) -> RealClient:
    """A client of the server as soon as that answers, which it does once it has loaded what is there."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client = RealClient(port, timeout=_PATIENCE)
        except OSError:
            time.sleep(0.002)
            continue
        if client.execute("PING") in (b"PONG", "PONG"):
            return client
        client.close()
        time.sleep(0.005)
    raise RuntimeError(f"{name} did not start")


def fill(client: RealClient, commands: Iterable[Sequence[Argument]], expected: Any) -> None:
    """Run commands, many at a time, each of which is to be answered by what is expected."""
    batch: list[bytes] = []
    for each in commands:
        batch.append(hiredis.pack_command(tuple(each)))
        if len(batch) == _BATCH:
            _send(client, batch, expected)
    _send(client, batch, expected)


def _send(client: RealClient, batch: list[bytes], expected: Any) -> None:
    client.send_packed(b"".join(batch))
    for _ in batch:
        if (answer := client.receive_raw()) != expected:
            raise AssertionError(f"a wrong answer: {answer!r}")
    batch.clear()


def string_key(number: int) -> bytes:
    return b"key:%012d" % number


def string_value(number: int) -> bytes:
    return b"value:%026d" % number


def strings(numbers: Iterable[int]) -> Iterator[tuple[bytes, ...]]:
    """The commands that set small strings."""
    return ((b"SET", string_key(number), string_value(number)) for number in numbers)


def check_strings(client: RealClient, keys: int) -> None:
    """Whether so many small strings are there, and no other key; the values of a thousand are looked at."""
    if (found := client.execute("DBSIZE")) != keys:
        raise AssertionError(f"{found} keys instead of {keys}")
    for number in range(0, keys, max(1, keys // 1000)):
        if client.execute("GET", string_key(number)) != string_value(number):
            raise AssertionError(f"key {number} is not what it was set to")


def kept_bytecode(folder: str) -> dict[str, str]:
    """The environment of an installed program: Python may keep bytecode, which it does in this folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": folder}


def descriptors() -> int:
    """Lets this process, and those that it starts, have as many connections as the system allows; how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most if most != resource.RLIM_INFINITY else 2**20
