"""The command `pulsards`: a server from the shell."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final

import anyio

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards.check import command as check
from anystore.pulsards.config import Config
from anystore.pulsards.config_file import parse_options, read_config
from anystore.pulsards.errors import CommandError
from anystore.pulsards.identity import PULSARDS_VERSION, REDIS_VERSION
from anystore.pulsards.persistence.loading import CannotLoad, StoppedWhileLoading
from anystore.pulsards.process import PROCESS_ID, allow_open_files, build
from anystore.pulsards.server import PulsarDS
from anystore.pulsards.server_log import log_to, logger
from anystore.pulsards.threads import backend_for

#: What the process needs beside its clients' connections.
_OWN_FILES: Final = 32

_USAGE = """\
usage: pulsards [--config FILE] [--backend asyncio|uvloop|trio] [--DIRECTIVE VALUE ...]
       pulsards check FILE|DIR ...    say whether files of data are sound, and what is in them

Serve the Redis protocol, by default on 127.0.0.1:6410. SIGTERM and SIGINT stop the server in order.

  --config FILE      read directives in the redis.conf format; options on the command line win
  --backend NAME     the event loop: asyncio (the default), uvloop or trio
  --version          print the version, and whether it is the compiled build or the pure one, and exit
  --help             print this and exit

Every directive that the server knows is an option:
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0 after an orderly stop, 1 where it cannot serve, 2 for a bad call."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["check"]:
        return check.main(words[1:])
    if "--help" in words or "-h" in words:
        print(
            _USAGE
            + "".join(f"  --{name} (default: {text or 'none'})\n" for name, text in _defaults().items())
        )
        return 0
    if "--version" in words or "-v" in words:
        print(f"pulsards {PULSARDS_VERSION.decode()} (Redis {REDIS_VERSION.decode()}), {build()}")
        return 0
    try:
        backend, config = _settings(words)
        name, options = backend_for(backend)
        server = PulsarDS(config=config)
        if not server.bind:
            raise ImproperlyConfigured("nowhere to listen: want a port other than 0, or a unixsocket")
        log_to(config.values["logfile"], config.values["loglevel"])
    except OSError as error:
        print(f"pulsards: logfile {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except (ImproperlyConfigured, ValueError) as error:
        print(f"pulsards: {error}", file=sys.stderr)
        return 2
    allow_open_files(config.maxclients + _OWN_FILES)
    try:
        anyio.run(_serve, server, backend=name, backend_options=options)
    except OSError as error:
        print(f"pulsards: cannot serve: {error}", file=sys.stderr)
        return 1
    except CannotLoad as error:
        print(f"pulsards: {error}", file=sys.stderr)
        return 1
    return 0


def _defaults() -> dict[str, str]:
    return Config().matching(b"*")


def _settings(words: Sequence[str]) -> tuple[str, Config]:
    """The backend, and the settings of the file and the command line together."""
    backend, file, options = "asyncio", "", []
    for line in parse_options(words):
        if line.name == "backend":
            backend = line.words[0]
        elif line.name == "config":
            file = str(Path(line.words[0]).resolve())
        else:
            options.append(line)
    lines = read_config(file) if file else []
    return backend, Config(lines=[*lines, *options], file=file)


@contextmanager
def _pid_file(path: str) -> Iterator[None]:
    """A file with the number of the process while the server runs; nothing for an empty path."""
    if path:
        Path(path).write_text(f"{PROCESS_ID()}\n")
    try:
        yield
    finally:
        if path:
            Path(path).unlink(missing_ok=True)


async def _serve(server: PulsarDS) -> None:
    # What is raised comes out as it is: outside of the group, which would wrap it.
    failure: OSError | CannotLoad | None = None
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, signals, server, group.cancel_scope)
            try:
                await _serve_until_stopped(server)
            except StoppedWhileLoading:
                pass  # as it was told to
            except (OSError, CannotLoad) as error:
                failure = error
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    logger.info("stopped")


@contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage collections meanwhile: loading makes millions of objects that stay, and each collection walks them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


async def _serve_until_stopped(server: PulsarDS) -> None:
    async with AsyncExitStack() as stack:
        with _without_collections():
            await stack.enter_async_context(server)
        # What there is by now stays, most of it: collections need not walk it again and again.
        gc.freeze()
        with _pid_file(server.config.values["pidfile"]):
            logger.info("ready to accept connections on %s", ", ".join(server.addresses))
            if server.engine.storage is None:
                logger.info("no directory is given (dir): nothing is kept on disk")
            await server.wait_ended()


async def _stop_on_signal(
    signals: AsyncIterator[signal.Signals], server: PulsarDS, scope: anyio.CancelScope
) -> None:
    """Do what SHUTDOWN does when a signal comes; where data cannot be saved, the server goes on."""
    async for received in signals:
        name = signal.Signals(received).name
        logger.info("%s received: stopping", name)
        words = server.config.values[f"shutdown-on-{name.lower()}"]
        save = True if "save" in words else False if "nosave" in words else None
        engine = server.engine
        # Whoever says it twice waits for no replica.
        at_once = "now" in words or engine.ending.deadline is not None
        engine.start_turn()
        try:
            engine.ending.begin(scope.cancel, save, force="force" in words, at_once=at_once)
        except CommandError:
            logger.error("not stopped, for the data could not be saved")
        engine.flush()


if __name__ == "__main__":
    sys.exit(main())
