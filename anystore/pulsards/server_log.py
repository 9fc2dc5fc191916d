"""The server's log: the logger `anystore.pulsards`, and the directives `loglevel` and `logfile`."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("anystore.pulsards")

#: Redis' levels; "verbose" lies between two of Python's, "nothing" above all of them.
LEVELS: Final = {
    "debug": logging.DEBUG,
    "verbose": (logging.DEBUG + logging.INFO) // 2,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "nothing": logging.CRITICAL + 1,
}


def set_level(word: str) -> None:
    """Log from this level on, one of `LEVELS`; for the whole process, whose logger it is."""
    logger.setLevel(LEVELS[word])


def log_to(file: str, level: str) -> None:
    """Write the log to a file, or to standard error for an empty name. Raises `OSError`."""
    handler = (
        logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
        if file
        else logging.StreamHandler()
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    set_level(level)
