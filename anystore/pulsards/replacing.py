"""Writing files that others may read at any moment, and that a crash must not leave half written."""

from __future__ import annotations

import contextlib
import os


def replace_file(path: str, content: bytes) -> None:
    """Write a file so that whoever reads it sees the old content or the new one, whole. Raises `OSError`."""
    draft = f"{path}.tmp-{os.getpid()}"
    try:
        with open(draft, "wb") as file:
            with contextlib.suppress(OSError):
                os.chmod(draft, os.stat(path).st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
