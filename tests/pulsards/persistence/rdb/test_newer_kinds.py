"""Kinds of values that only a newer Redis has: a refusal says which, of which version, and costs nothing that is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anystore.pulsards.persistence.rdb import RdbError
from anystore.pulsards.replication.incoming_image import IncomingImage
from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.rdb.files import signed_file
from tests.pulsards.persistence.rdb.test_payload import signed
from tests.servers import free_port

KINDS = pytest.mark.parametrize(
    ("kind", "version", "name"),
    [
        (28, 14, "type 28 (arrays of Redis 8.8)"),
        *((kind, 15, f"type {kind} (compact hashes of Redis 8.10)") for kind in (29, 30, 31, 32)),
    ],
)


def file_with(kind: int, version: int) -> bytes:
    """A file with a text, and behind it a value of that kind."""
    return signed_file(b"\x00\x01a\x01b" + bytes([kind]) + b"\x01k\x01v", version)


@KINDS
def test_s16_an_image_of_a_primary(kind: int, version: int, name: str) -> None:
    client = EngineClient()
    client.execute("SET", "old", "data")
    image = IncomingImage(client.engine, b"0" * 40, 0)
    with pytest.raises(RdbError) as caught:
        image.feed(file_with(kind, version))
    assert name in str(caught.value)
    assert client.execute("KEYS", "*") == [b"old"]


@KINDS
def test_s16_a_payload(kind: int, version: int, name: str) -> None:
    client = EngineClient()
    client.execute("SET", "k", "old")
    reply = client.execute("RESTORE", "k", 0, signed(bytes([kind]) + b"\x01v", version), "REPLACE")
    assert reply == ("error", "ERR Bad data format")
    assert client.execute("GET", "k") == b"old"


@pytest.mark.parametrize("command", [["--port", "0"], ["check"]], ids=["server", "check"])
@pytest.mark.parametrize(("kind", "version", "name"), [(28, 14, "type 28 (arrays of Redis 8.8)")])
def test_s16_a_file(kind: int, version: int, name: str, command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "dump.rdb"
    file.write_bytes(file_with(kind, version))
    words = (
        [*command, str(tmp_path)]
        if command == ["check"]
        else ["--port", str(free_port()), "--dir", str(tmp_path)]
    )
    run = subprocess.run(
        [sys.executable, "-m", "anystore.pulsards", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1
    assert name in run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert file.read_bytes() == file_with(kind, version)
