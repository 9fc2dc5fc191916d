"""The command `pulsards`, as a process of its own and, where it goes no further than its arguments, in this one."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from anystore import __version__
from anystore.pulsards import process
from anystore.pulsards.__main__ import main
from anystore.pulsards.persistence.loading import FileLoading
from anystore.pulsards.server import PulsarDS
from tests.pulsards.certificates import make_certificates
from tests.servers import free_port


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for a unix socket's path."""
    with tempfile.TemporaryDirectory(prefix="as") as name:
        yield Path(name)


class Running:
    """A server in a process of its own; what it logs is read until it says that it is ready."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anystore.pulsards", *arguments], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.ready = ""
        for line in self.process.stderr:
            self.ready = line
            if "ready" in line:
                return
        raise AssertionError(f"it ended with {self.process.wait()}")

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status, and what it has logged since."""
        self.process.send_signal(how)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


def ask(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(line + b"\r\n")
        return sock.recv(65536)


@pytest.mark.parametrize(
    ("backend", "how"), [("asyncio", signal.SIGTERM), ("uvloop", signal.SIGINT), ("trio", signal.SIGTERM)]
)
def test_it_serves_by_a_file_and_options_until_told_to_stop(
    folder: Path, backend: str, how: signal.Signals
) -> None:
    (folder / "more.conf").write_text("timeout 7\n")
    file = folder / "main.conf"
    file.write_text(f"# mine\nport 0\nunixsocket {folder}/s\ninclude {folder}/more.conf\nmaxclients 5\n")
    pid_file = folder / "pid"
    with Running(
        *("--config", str(file), "--backend", backend, "--maxclients", "9", "--pidfile", str(pid_file))
    ) as server:
        assert f"unix:{folder}/s" in server.ready
        assert int(pid_file.read_text()) == server.process.pid
        assert b"$1\r\n7\r\n" in ask(folder / "s", b"CONFIG GET timeout")
        assert b"$1\r\n9\r\n" in ask(folder / "s", b"CONFIG GET maxclients")
        assert ask(folder / "s", b"CONFIG SET timeout 0") == b"+OK\r\n"
        assert ask(folder / "s", b"CONFIG REWRITE") == b"+OK\r\n"
        status, log = server.stop(how)
    assert status == 0
    assert f"{how.name} received: stopping" in log
    assert not pid_file.exists()
    assert not (folder / "s").exists()
    assert "# mine\nport 0\n" in file.read_text()
    assert "maxclients 9\n" in file.read_text()


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_shutdown_ends_it(folder: Path, backend: str) -> None:
    with Running("--port", "0", "--unixsocket", f"{folder}/s", "--backend", backend) as server:
        assert ask(folder / "s", b"SHUTDOWN") == b""
        _, log = server.process.communicate(timeout=60)
        assert server.process.returncode == 0
    assert "SHUTDOWN received: stopping" in log
    assert log.rstrip().endswith("stopped")
    assert not (folder / "s").exists()


@pytest.mark.parametrize("sound", [True, False])
def test_no_collections_while_files_load(folder: Path, sound: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with Running("--port", "0", "--unixsocket", f"{folder}/s", "--dir", str(folder)) as server:
        assert ask(folder / "s", b"SET key value") == b"+OK\r\n"
        assert ask(folder / "s", b"SAVE") == b"+OK\r\n"
        server.stop()
    if not sound:
        (folder / "dump.rdb").write_bytes((folder / "dump.rdb").read_bytes()[:-9])
    collecting: list[tuple[str, bool]] = []
    step = FileLoading.step

    def watched_step(self: FileLoading) -> None:
        collecting.append(("loading", gc.isenabled()))
        step(self)

    async def end_at_once(self: PulsarDS) -> None:
        collecting.append(("serving", gc.isenabled()))

    monkeypatch.setattr(FileLoading, "step", watched_step)
    monkeypatch.setattr(PulsarDS, "wait_ended", end_at_once)
    options = ["--port", "0", "--unixsocket", f"{folder}/s", "--dir", str(folder), "--appendonly", "no"]
    try:
        assert main(options) == (0 if sound else 1)
    finally:
        gc.unfreeze()
    assert set(collecting) == ({("loading", False), ("serving", True)} if sound else {("loading", False)})
    assert gc.isenabled()


def test_the_log_file(folder: Path) -> None:
    log = folder / "log"
    os.mkfifo(log)  # so that reading it waits for what is written
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "anystore.pulsards", "--port", "0", "--unixsocket", str(folder / "s")),
            *("--logfile", str(log), "--loglevel", "notice"),
        ],
        stderr=subprocess.PIPE,
    ) as server:
        with log.open() as lines:
            assert "ready to accept connections" in next(lines)
            server.terminate()
            assert "stopped" in list(lines)[-1]
        assert server.communicate(timeout=60)[1] == b""
        assert server.returncode == 0


def test_users_and_tls(folder: Path) -> None:
    made, port = make_certificates(folder), free_port()
    with Running(
        *("--port", "0", "--tls-port", str(port), "--tls-cert-file", made.server, "--tls-key-file", made.key),
        *("--tls-auth-clients", "no", "--user", "default", "off", "--user", "x", "on", ">p", "+ping"),
    ) as server:
        assert f"tls:127.0.0.1:{port}" in server.ready
        assert server.stop()[0] == 0


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["x"], "argument 'x' follows no option"),
            (["--nope", "1"], "command line: unknown directive 'nope'"),
            (["--timeout", "x"], "command line: directive 'timeout': argument couldn't be parsed"),
            (["--port", "0"], "nowhere to listen"),
            (["--backend", "twisted"], "backend 'twisted'"),
            (["--config", "/nonexistent/x"], "configuration file /nonexistent/x: No such file"),
            (["--logfile", "/nonexistent/x"], "logfile /nonexistent/x: No such file"),
            (["--tls-port", "7"], "tls-cert-file is needed"),
            (["--user", "x", "nope"], "directive 'user': 'x': rule 'nope': Syntax error"),
            (["--rename-command", "NOPE", "x"], "no such command"),
            (["--aclfile", "/nonexistent/x"], "opening file '/nonexistent/x'"),
        ],
        ids=str,
    )
    def test_what_cannot_be_used_is_named(
        self, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(arguments) == 2
        assert complaint in capsys.readouterr().err

    def test_an_address_that_cannot_be_had(self) -> None:
        # In a process of its own, since it gets as far as to set up its log.
        done = subprocess.run(
            [sys.executable, "-m", "anystore.pulsards", "--bind", "192.0.2.1", "--port", str(free_port())],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert "pulsards: cannot serve: " in done.stderr

    def test_help_names_every_directive(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--help"]) == 0
        shown = capsys.readouterr().out
        assert "--tls-port (default: 0)" in shown
        assert "--requirepass (default: none)" in shown

    def test_the_version_says_which_build_it_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["-v"]) == 0
        assert capsys.readouterr().out == f"pulsards {__version__} (Redis 7.4.0), {process.build()}\n"


class TestOpenFiles:
    @pytest.mark.parametrize(
        ("limits", "wanted"),
        [
            ((100, 200), (150, 200)),
            ((100, 120), (120, 120)),
            ((100, -1), (150, -1)),
            ((150, 200), None),
            ((-1, -1), None),
        ],
    )
    def test_as_many_as_clients_need(
        self, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], wanted: tuple[int, int] | None
    ) -> None:
        resource = process.resource
        assert resource is not None
        changed: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
        monkeypatch.setattr(resource, "setrlimit", lambda kind, new: changed.append(new))
        process.allow_open_files(150)
        assert changed == ([] if wanted is None else [wanted])

    def test_who_has_no_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process, "resource", None)
        process.allow_open_files(os.getpid())
