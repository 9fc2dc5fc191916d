"""A client that sends nothing: it keeps what would have been sent, and answers with replies it was given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import CoreCommands


class Answer(Awaitable[Any]):
    """What a recorded command gives: its result, at once."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.result
        yield


class Recorder(CoreCommands[Any]):
    """Keeps commands in `sent`, with their options in `options`; answers with `replies` in turn, then with None."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[Any, ...]] = []
        self.options: list[dict[str, Any]] = []

    def execute_command(  # type: ignore[override]
        self, *args: Any, reply: Callable[[Any], Any] | None = None, **options: Any
    ) -> Answer:
        self.sent.append(args)
        self.options.append(options)
        raw = self.replies.pop(0) if self.replies else None
        if isinstance(raw, Exception):
            raise raw
        return Answer(raw if reply is None or raw is None else reply(raw))


Call = Callable[[CoreCommands[Any]], Any]


def sends(call: Call, *args: Any, **options: Any) -> Any:
    """A case for `check`: the call sends these arguments, with these options."""
    return pytest.param(
        call, args, options, id=" ".join(str(arg) for arg in args if isinstance(arg, str))[:60]
    )


def check(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    client = Recorder()
    call(client)
    assert client.sent == [args]
    assert client.options == [options]


def check_refused(call: Call, hint: str) -> None:
    """The call is refused, says why, and sends nothing."""
    client = Recorder()
    with pytest.raises(InvalidArgument, match=hint):
        call(client)
    assert client.sent == []


def results(call: Call, *replies: Any) -> list[Any]:
    """What the call gives for each of these replies."""
    return [call(Recorder(reply)).result for reply in replies]
