"""Names of hosts that hurt."""

from __future__ import annotations

from typing import Final

#: What is given for a host's name, and mostly can be none.
HOSTS: Final = (
    *(
        b"127.0.0.1",
        b"",
        b"x" * 300,
        b"x." * 130,
        b"\0",
        b"\xff",
        b"a..b",
        b"::1",
        b"[::1]",
        b"no.such.host.invalid",
    ),
    *(b"-", b" ", b"127.0.0.1:1", b"1.2.3.4.5", b"\xc3\xa4" * 70, b"localhost%x", b"fe80::1%nosuch"),
)
