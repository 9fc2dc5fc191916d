from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import InvalidArgument, ResponseError

pytestmark = pytest.mark.anyio


async def test_signs_of_life(client: Any, text_client: Any) -> None:
    assert await client.ping() is True
    assert await client.echo(b"\xff") == b"\xff"
    assert await text_client.echo("ü") == "ü"


async def test_own_connection(client: Any) -> None:
    assert await client.client_setname("me") is True
    assert await client.client_getname() == "me"
    assert await client.client_setname("") is True
    assert await client.client_getname() is None
    number = await client.client_id()
    info = await client.client_info()
    assert info["id"] == number
    assert info["cmd"] == "client|info"
    with pytest.raises(ResponseError, match="cannot contain spaces"):
        await client.client_setname("a b")


@pytest.mark.since("7.2.0")
async def test_setinfo(client: Any) -> None:
    assert await client.client_setinfo("LIB-NAME", "contract") is True
    assert (await client.client_info())["lib-name"] == "contract"


@pytest.mark.needs("client|getredir", "client|trackinginfo")
async def test_tracking(client: Any) -> None:
    assert await client.client_getredir() == -1
    assert await client.client_trackinginfo() == {"flags": ["off"], "redirect": -1, "prefixes": []}


@pytest.mark.needs("client|no-evict")
async def test_no_evict(client: Any) -> None:
    assert await client.client_no_evict("ON") is True
    assert await client.client_no_evict("OFF") is True


@pytest.mark.since("7.2.0")
@pytest.mark.needs("client|no-touch")
async def test_no_touch(client: Any) -> None:
    assert await client.client_no_touch("ON") is True
    assert await client.client_no_touch("OFF") is True


async def test_all_connections(client: Any, text_client: Any) -> None:
    mine, others = await client.client_id(), await text_client.client_id()
    assert {str(mine), str(others)} <= {fields["id"] for fields in await client.client_list()}
    assert [fields["id"] for fields in await client.client_list(client_id=[mine])] == [str(mine)]
    assert all(fields["flags"][0] in "NU" for fields in await text_client.client_list("normal"))
    assert await client.client_list("pubsub") == []
    assert await client.client_unblock(mine) is False
    assert await client.client_kill_filter(_id=others) == 1
    assert await client.client_kill_filter(_id=others) == 0
    assert await client.client_kill_filter(_type="pubsub", skipme=True, user="default") == 0
    assert await text_client.ping() is True
    with pytest.raises(ResponseError, match="No such client"):
        await client.client_kill("1.2.3.4:5")


@pytest.mark.since("7.4.0")
async def test_old_connections(client: Any) -> None:
    assert await client.client_kill_filter(maxage=1_000_000) == 0


@pytest.mark.needs("client|pause")
async def test_pause(client: Any) -> None:
    assert await client.client_pause(10_000, all=False) is True
    assert await client.client_unpause() is True
    assert await client.set("a", 1) is True


async def test_commands_that_would_change_a_shared_connection(client: Any) -> None:
    for call in (client.auth, client.select, client.client_reply):
        with pytest.raises(InvalidArgument):
            call("x")
    assert await client.ping() is True


@pytest.mark.needs("client|capa")
async def test_capabilities(client: Any) -> None:
    assert await client.client_capa("redirect", "unknown") is True
    with pytest.raises(ResponseError, match="import"):
        await client.client_import_source("ON")


@pytest.mark.needs("client|capa")  # the same servers have the filters
async def test_other_filters(client: Any, text_client: Any) -> None:
    await client.client_setname("filtered")
    number = str(await client.client_id())
    assert [fields["id"] for fields in await client.client_list(name="filtered")] == [number]
    assert number not in {fields["id"] for fields in await client.client_list(not_name="filtered")}
    assert await client.client_list(skipme=True, name="filtered") == []
    assert await client.client_list(db=15) == []
    assert await text_client.client_kill_filter(name="filtered", user="default", not_flags="P") == 1
