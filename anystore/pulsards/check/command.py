"""The command: which kind of file each is, and what is said of it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from anystore.pulsards.check.contents import Contents, shown
from anystore.pulsards.check.log import Permit, check_log_file, check_manifest
from anystore.pulsards.check.progress import ProgressBar
from anystore.pulsards.persistence.rdb import MAGICS, FileReader, RdbError

USAGE: Final = """\
usage: pulsards check [--fix [--yes]] FILE|DIR ...

Say whether files of data are sound, and what is in them: RDB files of Redis and Valkey, append-only files, manifests of
append-only logs with all parts, or whatever of these is in a directory. The exit status is 0 if everything is sound, 1 if
something is not, 2 for a bad call.

  --fix    cut append-only files off where they are damaged or cut short; asks before; make a copy first
  --yes    do not ask
"""

_PIECE: Final = 1 << 18


def main(words: Sequence[str]) -> int:
    """Run the command with what stands behind `check`; its exit status."""
    if not words or any(word in ("--help", "-h") for word in words):
        print(USAGE, end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    options = {word for word in words if word.startswith("-")}
    unknown = sorted(options - {"--fix", "--yes"})
    if unknown or options == {"--yes"} or len(options) == len(words):
        unknown = unknown or ["--yes without --fix" if options == {"--yes"} else "file behind --fix"]
        print(f"pulsards check: there is no option {unknown[0]}", file=sys.stderr)
        return 2
    permit = None if not options else _always if "--yes" in options else _asked
    files = [Path(word) for word in words if word not in options]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a damaged manifest names files with any bytes
    try:
        sound = [check(file, sys.stdout, sys.stderr, permit) for file in files]
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough, `head` for instance. What is still to be said goes nowhere, quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0 if all(sound) else 1


def _always(question: str) -> bool:
    return True


def _asked(question: str) -> bool:
    print(f"{question} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def check(path: Path, out: TextIO, terminal: TextIO, permit: Permit | None = None) -> bool:
    """Write to `out` what is to be said of a file or of all files in a directory; whether they are sound.

    `terminal` is where a progress bar goes, if it is one. `permit` is asked before a file is repaired; without, none is.
    """
    try:
        if path.is_dir():
            return _check_folder(path, out, terminal, permit)
        if path.suffix == ".manifest":
            return check_manifest(path, out, terminal, permit)
        with path.open("rb") as file:
            magic = file.read(6)
        if magic[:1] in (b"*", b"#") or path.suffix == ".aof":
            return check_log_file(path, out, terminal, permit)
        if magic.startswith(MAGICS):
            return check_rdb(path, out, terminal)
    except BrokenPipeError:
        raise  # it is not about the file
    except OSError as error:
        what = "read" if permit is None else "read, or repaired"
        print(f"{path}: cannot be {what}: {error.strerror}", file=out)
        return False
    print(
        f"{path}: not a file of data: it begins with neither REDIS nor VALKEY, nor as an append-only file",
        file=out,
    )
    return False


def _check_folder(path: Path, out: TextIO, terminal: TextIO, permit: Permit | None) -> bool:
    manifests = sorted(path.glob("*.manifest")) or sorted(path.glob("*/*.manifest"))
    # Beside a manifest, files are its parts.
    alone = (
        [] if any(file.parent == path for file in manifests) else [*path.glob("*.rdb"), *path.glob("*.aof")]
    )
    files = [*sorted(alone), *manifests]
    if not files:
        print(f"{path}: there is no file whose name ends in .rdb, .aof or .manifest", file=out)
        return False
    sound = [check(file, out, terminal, permit) for file in files]
    return all(sound)


def check_rdb(path: Path, out: TextIO, terminal: TextIO) -> bool:
    """Write to `out` what is to be said of an RDB file; whether it is sound. O(size), in bounded memory.

    It is read to the end, every value built as if it were to be loaded, and its check sum compared.
    """
    size = path.stat().st_size
    progress = ProgressBar(terminal, size)
    reader, contents = FileReader(), Contents()
    damage: RdbError | None = None
    with path.open("rb") as file:
        try:
            while piece := file.read(_PIECE):
                for event in reader.feed(piece):
                    contents.take(event)
                progress.show(file.tell())
            reader.finish()
            if reader.leftover:
                raise RdbError(f"{len(reader.leftover):,} bytes follow the end", reader.offset)
        except RdbError as error:
            damage = error
        finally:
            progress.clear()
    kind = "" if contents.header is None else f", {_described(contents)}"
    if damage is None:
        print(f"{path}: sound, {size:,} bytes{kind}, {contents.keys:,} keys", file=out)
    else:
        print(f"{path}: damaged at byte {damage.offset} of {size:,}: {damage.reason}", file=out)
        last = "" if contents.last_key is None else f", the last one is {shown(contents.last_key)}"
        print(f"up to there{kind}: {contents.keys:,} keys{last}", file=out)
    for line in contents.report():
        print(line, file=out)
    return damage is None


def _described(contents: Contents) -> str:
    header = contents.header
    assert header is not None
    return f"RDB version {header.version} of {'Valkey' if header.is_valkey else 'Redis'}"
