"""What clients under MONITOR are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore.pulsards.redaction import redacted
from anystore.resp.encode import encode_reply
from anystore.resp.types import SimpleString

if TYPE_CHECKING:
    from anystore.pulsards.context import Context
    from anystore.pulsards.engine import Engine


def feed_monitors(engine: Engine, context: Context, arguments: list[bytes]) -> None:
    """Show a command that has run to the clients under MONITOR; the one that has called it is answered first."""
    source = (
        b"lua"
        if context is not context.session
        else context.session.address.encode("utf-8", "surrogateescape")
    )
    when = engine.clock.time_us()
    entry = engine.commands.get(arguments[0]) or engine.commands.get(arguments[0].lower())
    shown = arguments if entry is None else redacted(entry.name, arguments, engine.config)
    line = b"%d.%06d [%d %b] %b" % (
        when // 1_000_000,
        when % 1_000_000,
        context.db.index,
        source,
        b" ".join(map(quoted, shown)),
    )
    for session in tuple(engine.monitors):
        session.push(encode_reply(SimpleString(line), session.protocol))


def quoted(text: bytes) -> bytes:
    r"""A text as MONITOR and the logs show it: in quotes, with `\n`, `\xhh` and the like for what is not plain."""
    pieces = [b'"']
    for byte in text:
        if byte in b'\\"':
            pieces.append(b"\\%c" % byte)
        elif byte in _ESCAPED:
            pieces.append(_ESCAPED[byte])
        elif 32 <= byte < 127:
            pieces.append(b"%c" % byte)
        else:
            pieces.append(b"\\x%02x" % byte)
    pieces.append(b'"')
    return b"".join(pieces)


_ESCAPED = {10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b"}
