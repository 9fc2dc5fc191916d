from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anystore.dsn import ConnectionString, parse_store_url
from anystore.exceptions import ImproperlyConfigured

SCHEMES = ["redis", "rediss", "valkey", "pulsar", "memory", "sqlite", "redis+cluster", "x-1.y+z"]
PART_NAMES = {"user", "username", "password", "database", "db"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ports = st.none() | st.integers(0, 65535)
names = st.from_regex(r"[A-Za-z0-9._-]{1,30}", fullmatch=True)
addresses = st.ip_addresses(v=6).map(str) | st.ip_addresses(v=4).map(str)
zoned = st.tuples(st.ip_addresses(v=6).map(str), st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)).map(
    "%".join
)
hosts = st.tuples(names | addresses | zoned, ports)
params = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True).filter(
        lambda name: name not in PART_NAMES
    ),
    texts,
    max_size=4,
)
secrets = st.none() | texts


@st.composite
def connection_strings(draw: st.DrawFn) -> ConnectionString:
    kind = draw(st.sampled_from(["tcp", "unix", "sentinel"]))
    common: dict[str, Any] = {
        "user": draw(secrets),
        "password": draw(secrets),
        "database": draw(texts),
        "params": draw(params),
    }
    if kind == "unix":
        path = "/" + draw(texts.filter(lambda text: text and "\0" not in text))
        return ConnectionString(scheme="redis+unix", hosts=((path, None),), **common)
    found = tuple(draw(st.lists(hosts, max_size=3)))
    if kind == "sentinel":
        return ConnectionString(scheme="redis+sentinel", hosts=found, service=draw(texts), **common)
    return ConnectionString(scheme=draw(st.sampled_from(SCHEMES)), hosts=found, **common)


PIECES = [
    *("redis", "memory", "redis+unix", "redis+sentinel", "://", "//", ":", "@", "/", "?", "#", "&", "=", "%"),
    *(
        "%41",
        "%zz",
        "%00",
        "%ff",
        "%d8",
        "[",
        "]",
        "[::1]",
        "[::1",
        "::1",
        ",",
        "h1",
        "127.0.0.1",
        "6379",
        "99999",
    ),
    *(
        "-1",
        "user",
        "password",
        "database",
        "db",
        "pool_size",
        "+",
        " ",
        "\t",
        "\r\n",
        "\0",
        "\ud800",
        "é",
        "０",
    ),
]
url_like = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


def parsed_or_refused(text: str) -> ConnectionString | ImproperlyConfigured:
    try:
        return parse_store_url(text)
    except ImproperlyConfigured as error:
        return error


class TestProperties:
    @given(connection_strings())
    def test_every_value_survives_format_and_parse(self, value: ConnectionString) -> None:
        text = str(value)
        assert parse_store_url(text) == value
        assert str(parse_store_url(text)) == text
        assert text.isascii()
        assert text.isprintable()

    @given(
        url_like
        | st.text()
        | st.tuples(st.sampled_from(["redis://", "x://", "a+unix://"]), url_like).map("".join)
    )
    @example("redis://user:password@127.0.0.1:6500/11?namespace=test_")
    @example("redis+unix:///a%20b?db=1")
    def test_no_text_raises_anything_else_and_parse_then_format_is_idempotent(self, text: str) -> None:
        value = parsed_or_refused(text)
        if isinstance(value, ImproperlyConfigured):
            assert str(value).startswith("connection string: ")
        else:
            assert parse_store_url(str(value)) == value
            assert str(parse_store_url(str(value))) == str(value)

    @given(connection_strings())
    def test_equal_values_have_equal_hashes_and_copies(self, value: ConnectionString) -> None:
        for twin in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), parse_store_url(str(value))):
            assert twin == value
            assert hash(twin) == hash(value)

    @given(connection_strings(), st.sampled_from(["hunter2", "hunter2/ü@"]))
    def test_a_password_never_shows_in_repr(self, value: ConnectionString, password: str) -> None:
        params = {**value.params, "ssl_keyfile_password": password}
        value = ConnectionString(
            scheme=value.scheme,
            hosts=value.hosts,
            password=password,
            database=value.database,
            params=params,
        )
        assert "hunter2" in str(value)
        for text in (repr(value), value.redacted, f"{value!r}"):
            assert "hunter2" not in text
            assert "***" in text

    @given(st.lists(st.sampled_from([*"@:/?#[]%&=+ ,", "\0", "\ud800", "%zz", "1"]), max_size=4), st.data())
    def test_a_password_never_shows_in_an_error(self, odd: list[str], data: st.DataObject) -> None:
        # A password that somebody forgot to encode may end up in any part of the string.
        pieces = ["hunter2", *odd, "hunter2"]
        password = "".join(data.draw(st.permutations(pieces)))
        error = parsed_or_refused(f"redis://user:{password}@127.0.0.1:6379/0?pool_size=3")
        assert "hunter2" not in repr(error)
        if isinstance(error, ImproperlyConfigured):
            assert (error.__cause__, error.__context__) == (None, None)


class TestParts:
    def test_the_documented_example(self) -> None:
        value = parse_store_url("redis://user:password@127.0.0.1:6500/11?namespace=test_")
        assert (value.scheme, value.user, value.password) == ("redis", "user", "password")
        assert value.hosts == (("127.0.0.1", 6500),)
        assert value.database == "11"
        assert value.params == {"namespace": "test_"}
        assert str(value) == "redis://user:password@127.0.0.1:6500/11?namespace=test_"

    @pytest.mark.parametrize(
        ("text", "canonical"),
        [
            ("REDIS://Example.COM:06379/", "redis://example.com:6379"),
            ("redis://", "redis://"),
            ("redis:///3", "redis:///3"),
            ("redis://h?b=1&a=2", "redis://h?a=2&b=1"),
            ("redis://h?&a=1&&", "redis://h?a=1"),
            ("redis://:@h", "redis://h"),
            ("redis://user@h", "redis://user@h"),
            ("redis://:pw@h", "redis://:pw@h"),
            ("redis://u%3A%40%2f:p%25@h", "redis://u%3A%40%2F:p%25@h"),
            ("redis://ü:é@h/ß", "redis://%C3%BC:%C3%A9@h/%C3%9F"),
            ("redis://h?db=3", "redis://h/3"),
            ("redis://h/3?database=3", "redis://h/3"),
            ("redis://h?username=u&password=p%26", "redis://u:p%26@h"),
            ("redis://h?namespace=a+b:", "redis://h?namespace=a%20b:"),
            ("redis://[0:0::1]:6379", "redis://[::1]:6379"),
            ("redis://[::FFFF:1.2.3.4]", "redis://[::ffff:1.2.3.4]"),
            ("redis://[FE80::1%25eth0]", "redis://[fe80::1%25eth0]"),
            ("redis+cluster://h1,h2:7000", "redis+cluster://h1,h2:7000"),
            ("memory://Name", "memory://name"),
            ("pulsar://127.0.0.1:0", "pulsar://127.0.0.1:0"),
            ("sqlite:////var/data.db", "sqlite:////var/data.db"),
        ],
    )
    def test_canonical_text(self, text: str, canonical: str) -> None:
        assert str(parse_store_url(text)) == canonical

    def test_unix_socket(self) -> None:
        value = parse_store_url("redis+unix://user:pw@/run/a%20b.sock?db=2&pool_size=3")
        assert value.hosts == (("/run/a b.sock", None),)
        assert (value.user, value.password, value.database) == ("user", "pw", "2")
        assert str(value) == "redis+unix://user:pw@/run/a%20b.sock?database=2&pool_size=3"

    def test_sentinel(self) -> None:
        value = parse_store_url("redis+sentinel://h1,h2:26380/master-name/0")
        assert value.hosts == (("h1", None), ("h2", 26380))
        assert (value.service, value.database) == ("master-name", "0")
        assert parse_store_url("redis+sentinel://h1//5").database == "5"

    def test_user_and_password_given_empty_are_not_given(self) -> None:
        value = ConnectionString(scheme="redis", user="", password="")
        assert (value.user, value.password) == (None, None)

    def test_it_is_frozen(self) -> None:
        value = parse_store_url("redis://h?a=1")
        with pytest.raises(FrozenInstanceError):
            value.database = "1"  # type: ignore[misc]
        with pytest.raises(TypeError):
            value.params["a"] = "2"  # type: ignore[index]
        assert not hasattr(value, "__dict__")

    def test_the_order_of_options_makes_no_difference(self) -> None:
        one, other = parse_store_url("redis://h?a=1&b=2"), parse_store_url("redis://h?b=2&a=1")
        assert one == other
        assert hash(one) == hash(other)
        assert list(other.params) == ["a", "b"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("", "scheme"),
            ("redis", "scheme"),
            ("127.0.0.1:6379", "scheme"),
            ("1redis://h", "scheme"),
            ("redis:/h", "scheme"),
            ("redis://h#1", "url.*%23"),
            ("redis://h/1 2", "url.*blank"),
            ("redis://h\r\nSET", "url.*control character at position 9"),
            ("redis://h/\ud800", "url.*surrogate"),
            ("redis://u:p@q@h", "user and password.*%40"),
            ("redis://u:p/q@h", "user and password.*%2F"),
            ("redis://u:p?q@h", "user and password.*%3F"),
            ("redis://u:p:q@h", "password.*%3A"),
            ("redis://u:%@h", "password.*%25"),
            ("redis://%ff@h", "user.*UTF-8"),
            ("redis://h/%1", "database.*%25"),
            ("redis://h:", "port"),
            ("redis://h:65536", "port.*65535"),
            ("redis://h:-1", "port"),
            ("redis://h:６", "port"),
            ("redis://h,", "host"),
            ("redis://:6379", "host"),
            ("redis://bücher.example", "host.*xn--"),
            ("redis://h%41", "host"),
            ("redis://::1", "host.*brackets"),
            ("redis://[::1", "host.*brackets"),
            ("redis://[::1]6379", "host.*brackets"),
            ("redis://[h]", "host.*IPv6|host.*address"),
            ("redis://[:h]", "host.*IPv6"),
            ("redis://::1]", "host.*brackets"),
            ("redis://[fe80::1%eth0]", "host.*%25"),
            ("redis://[fe80::1%25]", "host.*zone"),
            ("redis+unix://h/path", "path.*slash"),
            ("redis+unix://", "path"),
            ("redis+unix:///", "path"),
            ("redis+unix:///a%00", "path.*zero byte"),
            ("redis://h?pool_size", "option pool_size.*pool_size="),
            ("redis://h?=3", "name of option 1"),
            ("redis://h?a=1&b%20=3", "name of option 2"),
            ("redis://h?a=1&a=1", "option a.*twice"),
            ("redis://h?db=1&database=1", "option database.*twice"),
            ("redis://h?a=%e9", "option a.*UTF-8"),
            ("redis://h/1?db=2", "database.*twice"),
            ("redis://u@h?user=v", "user.*twice"),
        ],
    )
    def test_the_message_names_the_part(self, text: str, part: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=part) as caught:
            parse_store_url(text)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("value", [None, b"redis://h", 3])
    def test_only_str(self, value: Any) -> None:
        with pytest.raises(ImproperlyConfigured, match="url: must be a str"):
            parse_store_url(value)

    @pytest.mark.parametrize(
        ("parts", "match"),
        [
            ({"scheme": ""}, "scheme"),
            ({"scheme": None}, "scheme.*NoneType"),
            ({"scheme": "redis", "password": "\udc80"}, "password.*surrogate"),
            ({"scheme": "redis", "user": 3}, "user.*int"),
            ({"scheme": "redis", "service": "x"}, "service"),
            ({"scheme": "redis", "hosts": (("h", 65536),)}, "port"),
            ({"scheme": "redis", "hosts": (("h", True),)}, "port"),
            ({"scheme": "redis", "hosts": (("a b", None),)}, "host"),
            ({"scheme": "redis", "params": {"db": "1"}}, "option db"),
            ({"scheme": "redis", "params": {"a b": "1"}}, "name of an option"),
            ({"scheme": "redis", "params": {"a": 1}}, "option a.*int"),
            ({"scheme": "redis+unix", "hosts": (("relative", None),)}, "path"),
        ],
    )
    def test_a_value_that_no_text_can_express(self, parts: dict[str, Any], match: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=match):
            ConnectionString(**parts)
