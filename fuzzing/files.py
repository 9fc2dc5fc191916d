"""Files of data with faults: loaded by a server that runs, and by one that starts, and looked at by `pulsards check`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from anystore.pulsards.persistence.crc64 import crc64
from fuzzing.calls import made_up
from fuzzing.connection import Closed, Connection
from fuzzing.server import ADDRESS_SPACE, HANGS_AFTER, LONGEST, Fault, ServerUnderTest
from fuzzing.streams import VALUES, faulty
from tests.servers import free_port

#: How many files are loaded by the server that runs, until one is by a server that starts.
_STARTS: Final = 20
#: Seconds of computing that a start, or a look at files as small as these, may take; Python's own start included.
_LONGEST_START: Final = 5 + LONGEST
#: Directives of the server that loads: it keeps a log, and rewrites it when it is told to.
DIRECTIVES: Final = ("--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0")
_LOG: Final = "appendonlydir"
_CHECKSUM: Final = 8


def fill(server: ServerUnderTest, random: Random) -> None:
    """Have one value of each kind on the server, in two databases, a library, and what made-up calls make."""
    server.control("FLUSHALL")
    for number, call in enumerate(VALUES):
        server.control("SELECT", number % 2)
        server.control(*call)
        server.control("RENAME", "value", f"value:{number}")
    server.control("PEXPIRE", "value:1", 1_000_000)
    server.control("SELECT", 0)
    client = server.connect()
    _work(client, server, random, 80)
    client.close()


def _work(client: Connection, server: ServerUnderTest, random: Random, count: int) -> None:
    """Made-up calls, for what they change."""
    try:
        for call in islice(made_up(random), count):
            server.suffer(client, call, scripts=True)
    except (Closed, OSError):
        pass  # it has been sent away: what it has done until then will do


def image(server: ServerUnderTest) -> bytes:
    """All of a server's data as an RDB file."""
    reply = server.control("SAVE")
    if isinstance(reply, Exception):
        raise Fault(f"SAVE: {reply}")
    return (server.data / "dump.rdb").read_bytes()


def faulty_image(random: Random, data: bytes) -> bytes:
    """An RDB file with faults, mostly with a check sum that is right all the same."""
    data = (
        data[:9] + faulty(random, data[9:-_CHECKSUM])
        if random.randrange(20)
        else faulty(random, data[:-_CHECKSUM])
    )
    if random.randrange(10) == 0:
        return data
    return data + (crc64(data).to_bytes(8, "little") if random.randrange(10) else bytes(8))


def by_file(server: ServerUnderTest, random: Random) -> Iterator[int]:
    """Files with faults, in turns of a kind each: RDB files and append-only files, loaded while it runs; some at a start."""
    while True:
        fill(server, random)
        _begin_log(server)
        data = image(server)
        client = server.connect()
        for _ in range(_STARTS):
            _load_image(server, faulty_image(random, data))
            yield 1
        for _ in range(_STARTS // 2):
            _begin_log(server)
            _work(client, server, random, 30)
            client.close()
            client = server.connect()
            _load_log(server, random)
            yield 1
        client.close()
        with tempfile.TemporaryDirectory(prefix="fuzzing") as folder:
            Path(folder, "dump.rdb").write_bytes(faulty_image(random, data))
            _start(Path(folder), "dump.rdb")
        _begin_log(server)
        client = server.connect()
        _work(client, server, random, 30)
        client.close()
        server.control("WAITAOF", 0, 0, 0)
        with tempfile.TemporaryDirectory(prefix="fuzzing") as folder:
            shutil.copytree(server.data / _LOG, Path(folder, _LOG))
            _damage(Path(folder, _LOG), random)
            _start(Path(folder), _LOG, "--appendonly", "yes")
            _mend(Path(folder))
        yield 2


def _load_image(server: ServerUnderTest, data: bytes) -> None:
    (server.data / "dump.rdb").write_bytes(data)
    try:
        server.control("DEBUG", "RELOAD", "NOSAVE")
        server.check(scripts=True)
        server.control("DEBUG", "DIGEST")
        server.check(scripts=True)
    except Fault as fault:
        raise Fault(f"dump.rdb {_kept(server.data / 'dump.rdb')}: {fault}") from None


def _begin_log(server: ServerUnderTest) -> None:
    """Have an append-only file that is sound, and nothing that is rewritten."""
    deadline = time.monotonic() + HANGS_AFTER
    reply: object = None
    while reply != b"OK":
        # A thread may still be about a rewrite that has been given up, and leave something of it in the new folder.
        server.control("CONFIG", "SET", "appendonly", "no")
        shutil.rmtree(server.data / _LOG, ignore_errors=True)
        reply = server.control("CONFIG", "SET", "appendonly", "yes")
        if time.monotonic() > deadline:
            raise Fault(f"no append-only file: {reply}")
    while b"aof_rewrite_in_progress:0" not in (state := server.control("INFO", "persistence")) or (
        b"aof_rewrite_scheduled:0" not in state
    ):
        if time.monotonic() > deadline:
            raise Fault(f"the append-only file is never rewritten: {state!r}, {server.log_tail()}")
        time.sleep(0.005)


def _damage(folder: Path, random: Random) -> None:
    """Faults in one of a log's files, mostly in its commands."""
    files = sorted(folder.iterdir())
    chosen = random.choice([*files, *[file for file in files if file.suffix == ".aof"] * 3])
    data = chosen.read_bytes()
    data = faulty_image(random, data) if chosen.suffix == ".rdb" else faulty(random, data)
    # In place: a server that has it open goes on with this file.
    with chosen.open("r+b") as file:
        file.truncate()
        file.write(data)


def _load_log(server: ServerUnderTest, random: Random) -> None:
    server.check(scripts=True)
    _damage(server.data / _LOG, random)
    with tempfile.TemporaryDirectory(prefix="fuzzing") as kept:
        shutil.copytree(server.data / _LOG, Path(kept, _LOG))
        try:
            server.control("DEBUG", "LOADAOF")
            server.check(scripts=True)
        except Fault as fault:
            raise Fault(f"append-only files {_kept(Path(kept, _LOG))}: {fault}") from None


def _kept(path: Path) -> Path:
    """A copy of what a fault was found with, which stays."""
    target = Path(tempfile.mkdtemp(prefix="fault")) / path.name
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)
    return target


# Processes that start


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


def _command(*words: str) -> list[str]:
    # The limit of the address space is set from within: what a faulty file announces must not cost memory.
    limit = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE})); "
    )
    run = "from anystore.pulsards.__main__ import main; sys.exit(main())"
    return [sys.executable, "-c", limit + run, *words]


def _start(folder: Path, name: str, *directives: str) -> None:
    """A server starts with these files: it serves, or it says why it does not. Then `check` looks at them."""
    copy = _kept(folder / name)
    log, port = folder / "log", free_port()
    words = ("--port", str(port), "--dir", str(folder), *directives)
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(*words), stdout=out, stderr=subprocess.STDOUT, env=_environment(), cwd=folder
        )
    deadline = time.monotonic() + HANGS_AFTER
    try:
        while process.poll() is None and not _serves(port):
            if time.monotonic() > deadline:
                raise Fault(f"a start with {copy} does not come to an end")
            time.sleep(0.02)
    finally:
        process.kill()
        status = process.wait()
    text = log.read_text("utf-8", "replace")
    if "Traceback" in text or status not in (0, 1, -signal.SIGKILL):
        raise Fault(f"a start with {copy}: status {status}, {text[-3000:]}")
    _check(copy)
    shutil.rmtree(copy.parent)


def _serves(port: int) -> bool:
    try:
        connection = Connection(port)
    except OSError:
        return False
    try:
        return bool(connection.ask("PING", within=HANGS_AFTER) == b"PONG")
    except (OSError, Closed):
        return False
    finally:
        connection.close()


def _check(path: Path, *options: str) -> bool:
    """What `pulsards check` says of files: whether they are sound."""
    started = os.times()
    done = subprocess.run(
        _command("check", *options, str(path)),
        capture_output=True,
        timeout=HANGS_AFTER,
        env=_environment(),
        check=False,
    )
    ended = os.times()
    computed = ended.children_user + ended.children_system - started.children_user - started.children_system
    if done.returncode not in (0, 1) or b"Traceback" in done.stderr or computed > _LONGEST_START:
        raise Fault(f"check of {path}: status {done.returncode}, {computed:.1f} s, {done.stderr[-3000:]!r}")
    return done.returncode == 0


def _mend(folder: Path) -> None:
    """What `check --fix` says that it has repaired is sound."""
    kept = _kept(folder / _LOG)
    if _check(folder / _LOG, "--fix", "--yes") and not _check(folder / _LOG):
        raise Fault(f"{kept} is not sound after it was repaired")
    shutil.rmtree(kept.parent)
