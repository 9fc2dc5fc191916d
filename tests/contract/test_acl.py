from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import hiredis
import pytest

from anystore import create_store
from anystore.exceptions import AuthenticationError, ResponseError

pytestmark = pytest.mark.anyio

USER = "contract-user"


@pytest.fixture(autouse=True)
async def _no_user_is_left(client: Any) -> AsyncIterator[None]:
    await client.acl_deluser(USER)
    yield
    await client.acl_deluser(USER)


async def test_categories(client: Any, text_client: Any) -> None:
    categories = await client.acl_cat()
    assert {"read", "write", "dangerous", "pubsub"} <= set(categories)
    assert await text_client.acl_cat() == categories
    assert {"get", "hgetall"} <= set(await client.acl_cat("read"))
    with pytest.raises(ResponseError, match="Unknown category"):
        await client.acl_cat("nothing-of-the-kind")


async def test_users(client: Any, text_client: Any) -> None:
    assert await client.acl_whoami() == "default"
    assert await client.acl_getuser(USER) is None
    assert await client.acl_setuser(USER) is True
    assert set(await client.acl_users()) >= {"default", USER}
    assert await client.acl_getuser(USER) == {
        "enabled": False,
        "flags": ["off"],
        "passwords": [],
        "categories": ["-@all"],
        "commands": [],
        "keys": [],
        "channels": [],
        "selectors": [],
    }
    assert await client.acl_setuser(
        USER,
        enabled=True,
        passwords=["+one", "+two", "-one"],
        categories=["+string"],
        commands=["+ping", "-getset"],
        keys=["a*", "%R~b*"],
        channels=["c*"],
        selectors=[("+mget", "x*")],
    )
    user = await client.acl_getuser(USER)
    assert user == await text_client.acl_getuser(USER)
    assert user["enabled"] is True
    assert user["passwords"] == ["3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"]
    assert user["categories"][0] == "-@all"
    assert set(user["commands"]) == {"+ping", "-getset"}
    assert (user["keys"], user["channels"]) == (["~a*", "%R~b*"], ["&c*"])
    assert (user["selectors"][0]["commands"], user["selectors"][0]["keys"]) == ("-@all +mget", "~x*")
    [line] = [line for line in await client.acl_list() if line.startswith(f"user {USER} ")]
    assert line.startswith(f"user {USER} on ")
    assert await client.acl_deluser(USER, "nobody-at-all") == 1
    assert await client.acl_deluser(USER) == 0
    with pytest.raises(ResponseError, match="'default' user cannot be removed"):
        await client.acl_deluser("default")


async def test_rules(client: Any) -> None:
    with pytest.raises(ResponseError, match="Unknown command or category"):
        await client.acl_setuser(USER, commands=["+nothing-of-the-kind"])
    assert await client.acl_getuser(USER) is None
    await client.acl_setuser(USER, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
    assert (await client.acl_getuser(USER))["flags"] == ["off", "nopass"]
    await client.acl_setuser(
        USER, reset_keys=True, reset_channels=True, reset_passwords=True, hashed_passwords="+" + "a" * 64
    )
    user = await client.acl_getuser(USER)
    assert (user["keys"], user["channels"], user["passwords"]) == ([], [], ["a" * 64])
    await client.acl_setuser(USER, reset=True)
    user = await client.acl_getuser(USER)
    assert (user["categories"], user["passwords"]) == (["-@all"], [])


async def test_dryrun(client: Any) -> None:
    await client.acl_setuser(USER, commands=["+get"], keys=["a*"])
    assert await client.acl_dryrun(USER, "GET", "abc") == "OK"
    assert "no permissions to run the 'set' command" in await client.acl_dryrun(USER, "SET", "abc", 1)
    assert "'b' key" in await client.acl_dryrun(USER, "GET", "b")
    with pytest.raises(ResponseError, match="User 'nobody-at-all' not found"):
        await client.acl_dryrun("nobody-at-all", "GET", "a")


async def test_genpass(client: Any) -> None:
    assert len(await client.acl_genpass()) == 64
    assert len(await client.acl_genpass(5)) == 2
    assert await client.acl_genpass() != await client.acl_genpass()


async def test_files(client: Any) -> None:
    for call in (client.acl_load, client.acl_save):
        with pytest.raises(ResponseError, match="not configured to use an ACL file"):
            await call()


async def test_the_log(client: Any, store: Any, dsn: str) -> None:
    assert await client.acl_log_reset() is True
    assert await client.acl_log() == []
    await fail_to_log_in(store, dsn)
    [entry] = await client.acl_log(5)
    assert entry["count"] == 1
    assert (entry["reason"], entry["context"], entry["username"]) == ("auth", "toplevel", USER)
    assert entry["object"].upper() in ("AUTH", "HELLO")
    assert 0 <= entry["age-seconds"] < 60
    assert isinstance(entry["client-info"]["id"], int)
    assert await client.acl_log_reset() is True


async def fail_to_log_in(store: Any, dsn: str) -> None:
    if dsn.startswith("memory:"):
        # Two stores share a server only if they agree on who logs in.
        stream = store.server.connect_stream()
        await stream.send(hiredis.pack_command(("AUTH", USER, "wrong")))
        assert (await stream.receive()).startswith(b"-WRONGPASS")
        await stream.aclose()
        return
    with pytest.raises(AuthenticationError), anyio.fail_after(10):
        async with create_store(dsn, user=USER, password="wrong", reconnect_attempts=0) as other:
            await other.ping()
