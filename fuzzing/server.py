"""The server under test: pulsards in a process of its own, with little memory, and an eye on what it takes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil

from fuzzing.connection import Closed, Connection
from tests.servers import free_port

Call = Sequence[bytes | str | int | float]

#: Directives of the server under test. Small limits are reached soon.
LIMITS: Final = (
    *("--busy-reply-threshold", "1000"),
    *("--maxmemory", "96mb", "--maxmemory-policy", "allkeys-lru", "--maxclients", "500"),
    *("--client-query-buffer-limit", "32mb", "--proto-max-bulk-len", "16mb"),
    *("--client-output-buffer-limit", "normal 64mb 0 0 pubsub 8mb 0 0 replica 32mb 0 0"),
)
#: Whom the bystander is logged in as where hostile clients may change users; they do not know of it.
_BYSTANDER: Final = ("bystander", "a password of its own")
#: Seconds of computing within which every other client is answered, whatever somebody asks for.
LONGEST: Final = 3.0
#: The same for scripts: until one of them has filled its memory.
LONGEST_SCRIPT: Final = 30.0
#: Seconds by the clock after which a server hangs, however busy the machine is.
HANGS_AFTER: Final = 180.0
#: Bytes that the process may hold after a call: maxmemory as Python's objects take it, buffers, and the libraries.
MOST_MEMORY: Final = 700 * 2**20
#: The same after scripts, whose memory the server limits to 1 GB.
MOST_MEMORY_OF_SCRIPTS: Final = MOST_MEMORY + 2**30
#: Bytes of address space: what no call may reach even for a moment.
ADDRESS_SPACE: Final = 4 * 2**30


class Fault(Exception):
    """The server did not keep what it promises every client."""


class ServerUnderTest:
    """A running pulsards, as a context manager; `check` says whether it still does what it should."""

    def __init__(self, *directives: str, keeps: bool = False, guarded: bool = False) -> None:
        """`keeps` gives it a directory for its files; `guarded` is for attacks on the bystander itself and its rights."""
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="fuzzing")
        #: Where its files are, and where it runs.
        self.data = Path(self._folder.name, "data")
        self.data.mkdir()
        self._directives = (*directives, *(("--dir", str(self.data)) if keeps else ()))
        self._guarded = guarded
        self._log = Path(self._folder.name, "log")
        self._seen_log = 0
        #: Every connection, so that none outlives the server.
        self._connections = ExitStack()

    def __enter__(self) -> ServerUnderTest:
        words = [*LIMITS, *self._directives, "--port", str(self.port), "--loglevel", "warning"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "anystore.pulsards", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
        resource.prlimit(self._process.pid, resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        self._watched = psutil.Process(self._process.pid)
        self._bystander = self._wait_for()
        if self._guarded:
            name, password = _BYSTANDER
            self.control("ACL", "SETUSER", name, "on", f">{password}", "~*", "&*", "+@all")
            self._bystander = self._logged_in()
        self._computed = self._cpu()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._connections.close()
        self._folder.cleanup()

    def _wait_for(self) -> Connection:
        deadline = time.monotonic() + HANGS_AFTER
        while True:
            try:
                return self._connected()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise Fault(f"it does not start: {self._log.read_text()}") from None
                time.sleep(0.05)

    def _connected(self) -> Connection:
        connection = Connection(self.port)
        self._connections.callback(connection.close)
        return connection

    def _logged_in(self) -> Connection:
        connection = self._connected()
        connection.ask("AUTH", *_BYSTANDER, within=HANGS_AFTER)
        return connection

    @property
    def process_id(self) -> int:
        """The number of its process."""
        return self._process.pid

    def connect(self) -> Connection:
        """Another client."""
        try:
            return self._connected()
        except OSError as error:
            raise Fault(
                f"it lets nobody in, status {self._process.poll()}, {error!r}: {self.log_tail()}"
            ) from None

    # What has to hold

    def _cpu(self) -> float:
        times = self._watched.cpu_times()
        return times.user + times.system

    @property
    def memory(self) -> int:
        """Bytes that the process holds."""
        return int(self._watched.memory_info().rss)

    def check(self, *, scripts: bool = False) -> None:
        """Raise `Fault` unless the server answers a bystander, and has not computed for long since the last check."""
        # The first may be answered in the same turn as what came before it, and ahead of that.
        self.control("PING")
        answer = self.control("PING")
        while isinstance(answer, Exception) and str(answer).startswith("BUSY"):
            for kind in ("SCRIPT", "FUNCTION"):
                self.control(kind, "KILL")
            answer = self.control("PING")
        if answer != b"PONG":
            raise Fault(f"a bystander's PING is answered by {answer!r}")
        computed, self._computed = self._computed, self._cpu()
        if self._computed - computed > (LONGEST_SCRIPT if scripts else LONGEST):
            raise Fault(f"a bystander was not answered for {self._computed - computed:.1f} s of computing")
        self._check_log()
        if self.memory > (MOST_MEMORY_OF_SCRIPTS if scripts else MOST_MEMORY):
            raise Fault(f"it holds {self.memory >> 20} MB")

    def control(self, *call: bytes | str | int | float) -> Any:
        """The reply to the bystander's call; where it may be killed, it comes again, once. Raises `Fault` without one."""
        try:
            try:
                return self._bystander.ask(*call, within=HANGS_AFTER)
            except (ConnectionError, Closed):
                if not self._guarded:
                    raise
                self._bystander = self._logged_in()
                return self._bystander.ask(*call, within=HANGS_AFTER)
        except TimeoutError:
            raise Fault(f"it hangs: a bystander has no answer after {HANGS_AFTER:.0f} s") from None
        except (OSError, Closed) as error:
            with suppress(subprocess.TimeoutExpired):  # it may still be about to say why
                self._process.wait(10)
            status = self._process.poll()
            raise Fault(f"it is gone, status {status}, {error!r}: {self.log_tail()}") from None

    def _check_log(self) -> None:
        """No command fails for a reason of its own: that is told with a traceback."""
        size = self._log.stat().st_size
        if size > self._seen_log:
            with self._log.open("rb") as log:
                log.seek(self._seen_log)
                new = log.read().decode("utf-8", "replace")
            self._seen_log = size
            if "Traceback" in new:
                raise Fault(f"it logs {new[-3000:]}")

    def log_tail(self) -> str:
        """The end of what it has logged."""
        return self._log.read_text("utf-8", "replace")[-3000:]

    # Playing against it

    def settle(self) -> None:
        """Begin anew: an empty server, and nothing computed yet."""
        self.control("FLUSHALL")
        self.control("SCRIPT", "FLUSH")
        self._computed = self._cpu()

    def prepare(self, calls: Iterable[Call]) -> None:
        """Calls that are no attack, but make the ground for one: their time does not count."""
        for call in calls:
            reply = self.control(*call)
            if isinstance(reply, Exception):
                raise Fault(f"{call[0]!r} in a preparation: {reply}")
        self._computed = self._cpu()

    def suffer(self, client: Connection, call: Call, *, scripts: bool = False) -> Any:
        """Have a client make a call, and see that all is well; its reply, None where it has none yet."""
        try:
            client.send(*call)
        except OSError:
            self.check(scripts=scripts)
            raise
        self.check(scripts=scripts)
        return client.received()
