"""A progress bar for whoever sits in front of a terminal."""

from __future__ import annotations

from typing import Final, TextIO

_WIDTH: Final = 40
#: Smaller files are done before anybody could read it.
_WORTHWHILE: Final = 16 * 1024 * 1024


class ProgressBar:
    """How much of a file has been read. Shown for large files on a terminal; otherwise nothing is written."""

    def __init__(self, out: TextIO, total: int, worthwhile: int = _WORTHWHILE) -> None:
        """`total` is the file's size in bytes; files of fewer than `worthwhile` have no bar."""
        self._out = out
        self._total = total
        self._wanted = total >= worthwhile and out.isatty()
        self._percent = -1

    def show(self, done: int) -> None:
        """So many bytes have been read. Written where that makes a difference to be seen."""
        percent = 100 * done // max(self._total, 1)
        if self._wanted and percent != self._percent:
            self._percent = percent
            bar = "#" * (_WIDTH * percent // 100)
            self._out.write(f"\r[{bar:<{_WIDTH}}] {percent:3} %")
            self._out.flush()

    def clear(self) -> None:
        """Leave an empty line to what comes next."""
        if self._percent >= 0:
            self._out.write("\r" + " " * (_WIDTH + 8) + "\r")
            self._out.flush()
