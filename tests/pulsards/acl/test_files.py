"""Users in files: `aclfile`, ACL LOAD and ACL SAVE beside Valkey and Redis, and `user` lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from tests.pulsards.acl_peers import is_connected
from tests.pulsards.differential import split
from tests.pulsards.peers import Argument, EngineClient, RealClient
from tests.servers import redis_binary, run_server, valkey_binary

DEFAULT = "user default on nopass ~* &* +@all\n"
Client = EngineClient | RealClient


class FilePeers:
    """pulsards, Valkey and Redis, each with an ACL file of its own and the same content."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.files = {"pulsards": folder / "pulsards.acl"}
        self.files["pulsards"].write_text(DEFAULT)
        engine = Engine(Config({"aclfile": str(self.files["pulsards"])}))
        self.clients: dict[str, Client] = {"pulsards": EngineClient(engine)}
        for name, binary in (("valkey", valkey_binary()), ("redis", redis_binary())):
            if binary is not None:
                self.files[name] = folder / f"{name}.acl"
                self.files[name].write_text(DEFAULT)
                server = stack.enter_context(run_server(binary, "--aclfile", str(self.files[name])))
                self.clients[name] = RealClient(server.port)
                stack.callback(self.clients[name].close)

    def write(self, content: bytes) -> None:
        for file in self.files.values():
            file.write_bytes(content)

    def run(self, command: str | tuple[Argument, ...]) -> Any:
        """A command everywhere, with the same reply but for the names of the files."""
        replies = {name: client.execute(*split(command)) for name, client in self.clients.items()}
        for name, reply in replies.items():
            if isinstance(reply, tuple):
                replies[name] = (reply[0], reply[1].replace(str(self.files[name]), "FILE"))
        for name, reply in replies.items():
            assert reply == replies["pulsards"], name
        return replies["pulsards"]

    def others(self) -> dict[str, Client]:
        """A further client of each."""
        found: dict[str, Client] = {}
        for name, client in self.clients.items():
            if isinstance(client, EngineClient):
                found[name] = EngineClient(client.engine)
            else:
                found[name] = RealClient(client.port)
        return found


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilePeers]:
    with ExitStack() as stack:
        yield FilePeers(tmp_path_factory.mktemp("acl"), stack)


class TestLoading:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"user a on nopass +get ~a* &c\nuser default on nopass ~* &* +@all\n",
            b"\n\n  user  a   on  \n\t\r\nuser b off >p (~x +set) (~y +get)\n",
            b"user b on +@all -@dangerous\nuser a on +@read -get\nuser c on +config|get",
            b"user a on\nuser a off\n",
            b"nonsense\n",
            b"user\n",
            b"# a comment\n",
            b"User a on\n",
            b"user a on +nope -nope +@nope nope ~* ~a #1\nuser b nope nope\n",
            b"user a on +nope\nuser b on\n",
            b"user a on (~x nope)\nuser b ) \n",
            b"user a\tb on\n",
            b'user "a" on\n',
            b"user a on >\xff\xfe",
            b"user default off\nuser admin on nopass +@all\nuser default on",
        ],
    )
    def test_what_a_file_says(self, peers: FilePeers, content: bytes) -> None:
        peers.write(DEFAULT.encode())
        peers.run("ACL LOAD")
        peers.write(content)
        peers.run("ACL LOAD")
        peers.run("ACL LIST")

    def test_a_parenthesis_that_is_not_closed(self, peers: FilePeers) -> None:
        """The real servers crash on it."""
        peers.files["pulsards"].write_bytes(b"user a on (~x +set\nuser b on nope")
        _kind, text = peers.clients["pulsards"].execute("ACL", "LOAD")
        assert text.replace(str(peers.files["pulsards"]), "FILE") == (
            "ERR FILE:1: Unmatched parenthesis in selector definition.FILE:2: Syntax error. "
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        )

    def test_a_file_that_is_gone(self, peers: FilePeers) -> None:
        for file in peers.files.values():
            file.unlink()
        assert peers.run("ACL LOAD")[0] == "error"
        peers.write(DEFAULT.encode())
        assert peers.run("ACL LOAD") == b"OK"

    def test_saving(self, peers: FilePeers) -> None:
        peers.run("ACL SETUSER b on >p ~a* %R~b &c +get (~x +set)")
        peers.run("ACL SETUSER a off")
        assert peers.run("ACL SAVE") == b"OK"
        contents = {name: file.read_bytes() for name, file in peers.files.items()}
        assert set(contents.values()) == {contents["pulsards"]}
        before = peers.run("ACL LIST")
        peers.run("ACL DELUSER a b")
        peers.run("ACL LOAD")
        assert peers.run("ACL LIST") == before
        peers.run("ACL DELUSER a b")

    def test_who_stays_connected(self, peers: FilePeers) -> None:
        """As with Valkey: who is in the file before and after keeps the connection, with the rights that it says."""
        users = b"user a on nopass +@all ~* &*\nuser b on nopass +@all ~* &a*\n"
        peers.write(DEFAULT.encode() + users)
        peers.run("ACL LOAD")
        clients = {name: peers.others() for name in ("a", "b", "b listening", "default")}
        for user, others in clients.items():
            for client in others.values():
                client.execute("AUTH", user.partition(" ")[0], "")
                client.execute("HELLO", 3)
                if "listening" in user:
                    client.execute("SUBSCRIBE", "a1")
        peers.write(DEFAULT.encode() + b"user b on nopass -@all +get ~* &b*\n")
        peers.run("ACL LOAD")
        for name in ("pulsards", "valkey"):
            assert not is_connected(clients["a"][name])
            assert not is_connected(clients["b listening"][name])
            assert clients["b"][name].execute("GET", "x") is None
            assert (
                clients["b"][name].execute("SET", "x", "1")[1].startswith("NOPERM User b has no permissions")
            )
            assert clients["default"][name].execute("ACL", "WHOAMI") == b"default"
        for others in clients.values():
            for client in others.values():
                client.close()


def engine_of(*users: str, **settings: str) -> Engine:
    return Engine(Config({"user": users, **settings}))


class TestLinesOfTheConfiguration:
    def test_users(self) -> None:
        client = EngineClient(engine_of("alice on >pw ~a* +@all", "bob off (~x +get)"))
        assert [line.split()[1] for line in client.execute("ACL", "LIST")] == [b"alice", b"bob", b"default"]
        assert client.execute("AUTH", "alice", "pw") == b"OK"
        assert client.execute("GET", "b")[1].startswith("NOPERM")

    def test_the_default_user(self) -> None:
        client = EngineClient(engine_of("default on >pw +get ~*", requirepass="other"))
        assert client.execute("GET", "a")[1].startswith("NOAUTH")
        assert client.execute("AUTH", "other")[1].startswith("WRONGPASS")
        assert client.execute("AUTH", "pw") == b"OK"
        assert client.execute("SET", "a", "1")[1].startswith("NOPERM")

    def test_requirepass_is_the_default_users_password(self) -> None:
        client = EngineClient(engine_of("x on nopass", requirepass="é"))
        assert client.execute("AUTH", "é") == b"OK"
        assert client.execute("CONFIG", "SET", "requirepass", "new") == b"OK"
        assert client.execute("AUTH", "é")[1].startswith("WRONGPASS")
        assert client.execute("AUTH", "default", "new") == b"OK"
        assert client.execute("CONFIG", "SET", "requirepass", "") == b"OK"
        assert b"nopass" in client.execute("ACL", "GETUSER", "default")[1]
        assert client.execute("CONFIG", "SET", "timeout", "5") == b"OK"
        client.execute("ACL", "SETUSER", "default", ">mine")
        assert client.execute("CONFIG", "SET", "timeout", "6") == b"OK"
        assert client.execute("AUTH", "mine") == b"OK"

    @pytest.mark.parametrize(
        ("users", "complaint"),
        [
            (["a on", "a off"], "'a' is there twice"),
            (['"a b" on'], "spaces in the name"),
            (["a +nope"], "'a': rule '\\+nope': Unknown command"),
            (["a (~x"], "'a': unmatched parenthesis"),
            (["a #secret"], "'a': rule: The password hash must be"),
            (["a <secret"], "'a': rule: The password you are trying"),
        ],
    )
    def test_what_is_wrong_is_named(self, users: list[str], complaint: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=complaint) as caught:
            engine_of(*users)
        assert "secret" not in str(caught.value)

    def test_a_file_or_lines(self, tmp_path: Path) -> None:
        with pytest.raises(ImproperlyConfigured, match="not in both"):
            engine_of("a on", aclfile=str(tmp_path / "x"))
        with pytest.raises(ImproperlyConfigured, match="'aclfile': Error loading ACLs, opening file"):
            engine_of(aclfile=str(tmp_path / "x"))
        (tmp_path / "x").write_text("user a nope\nuser b on\n")
        with pytest.raises(ImproperlyConfigured, match=r"x:1: Syntax error\. WARNING: ACL errors detected"):
            engine_of(aclfile=str(tmp_path / "x"))

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        file = tmp_path / "folder" / "users.acl"
        file.write_text(DEFAULT)
        client = EngineClient(engine_of(aclfile=str(file)))
        file.unlink()
        file.parent.rmdir()
        assert client.execute("ACL", "SAVE")[1].startswith("ERR There was an error trying to save the ACLs.")
