"""Replies as the debugger of scripts shows them: on one line, for people.

Source: what Redis 7.0 shows behind ``<reply>``.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.resp.encode import encode_reply

_ESCAPES: Final = {
    **{code: b"\\x%02x" % code for code in (*range(32), *range(127, 256))},
    **{code: bytes((code,)) for code in range(32, 127)},
    ord("\\"): b"\\\\",
    ord('"'): b'\\"',
    ord("\n"): b"\\n",
    ord("\r"): b"\\r",
    ord("\t"): b"\\t",
    7: b"\\a",
    8: b"\\b",
}
#: What stands around the items of each kind, and how many values an item has.
_GROUPS: Final = {b"*": (b"[", b"]", 1), b"~": (b"~(", b")", 1), b"%": (b"{", b"}", 2)}


def quoted(text: bytes) -> bytes:
    """A string in quotes, with what is not printable escaped. O(n)."""
    return b'"' + b"".join([_ESCAPES[code] for code in text]) + b'"'


def reply_text(reply: Any, protocol: int) -> bytes:
    """A reply on one line, as it looks in this version of the protocol (2 or 3). O(n)."""
    text, _ = _shown(encode_reply(reply, protocol), 0)
    return text


def _shown(data: bytes, start: int) -> tuple[bytes, int]:
    """The value that begins there, and where the next one does."""
    end = data.index(b"\r\n", start)
    kind, rest, after = data[start : start + 1], data[start + 1 : end], end + 2
    if kind == b":":
        return rest, after
    if kind in (b"+", b"-"):
        return quoted(kind + rest), after
    if kind in (b"$", b"="):
        length = int(rest)
        if length < 0:
            return b"NULL", after
        text = data[after : after + length]
        # Redis 7.0 has no form for a verbatim string, and shows nothing.
        return (quoted(text) if kind == b"$" else b""), after + length + 2
    if kind in _GROUPS:
        return _group(data, kind, int(rest), after)
    if kind == b"_":
        return b"(null)", after
    if kind == b"#":
        return (b"#true" if rest == b"t" else b"#false"), after
    return (b"(double) " + rest if kind == b"," else b""), after


def _group(data: bytes, kind: bytes, count: int, position: int) -> tuple[bytes, int]:
    if count < 0:
        return b"NULL", position
    begin, end, size = _GROUPS[kind]
    items = []
    for _ in range(count):
        values = []
        for _ in range(size):
            value, position = _shown(data, position)
            values.append(value)
        items.append(b" => ".join(values))
    return begin + b",".join(items) + end, position
