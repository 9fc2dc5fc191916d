"""What turns values into messages and back: the `protocol` of `store.pubsub()` and `store.channels()`."""

from __future__ import annotations

import json
from typing import Any, Protocol

__all__ = ("Json", "MessageProtocol")


class MessageProtocol(Protocol):
    """Encodes what is published and decodes what is received; any object with these two methods will do."""

    def encode(self, message: Any, /) -> bytes | str:
        """The message as it is sent; raises what it likes for a value that it has no form for."""
        raise NotImplementedError

    def decode(self, data: bytes, /) -> Any:
        """The value of a message; raises `ValueError` for bytes that are none."""
        raise NotImplementedError


class Json:
    """Messages as JSON, in UTF-8."""

    def encode(self, message: Any) -> str:
        """The value as JSON. Raises `TypeError` for what JSON has no form for. O(size)."""
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"))

    def decode(self, data: bytes | str) -> Any:
        """The value of the JSON. Raises `ValueError` for what is no JSON, or nested too deeply. O(bytes)."""
        try:
            return json.loads(data)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
