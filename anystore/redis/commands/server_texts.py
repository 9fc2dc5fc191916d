"""The replies that are texts with a structure of their own: INFO, CLIENT LIST, SLOWLOG, COMMAND.

Names and values are `str`, whatever the client does with values of keys. All are O(size of the reply).
"""

from __future__ import annotations

from typing import Any, Final

from anystore.redis.commands.replies import in_pairs, text, text_map, texts

_CLIENT_NUMBERS: Final = frozenset(
    (
        *("id", "age", "idle", "db", "sub", "psub", "multi", "qbuf", "qbuf-free"),
        *("obl", "argv-mem", "oll", "omem", "tot-mem"),
    )
)


def info(reply: bytes | str) -> dict[str, Any]:
    """INFO as one `dict`: numbers as `int` or `float`, `a=1,b=2` as a `dict`, `a,b` as a list.

    The section headings are dropped. The lines `module:…`, which repeat, make the list `modules`.
    """
    fields: dict[str, Any] = {}
    for line in text(reply).splitlines():
        if not line or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if name == "cmdstat_host":  # old monitors were counted as `host:`, the one name with a colon in it
            name, colon, value = line.rpartition(":")
        if not colon:
            fields.setdefault("__raw__", []).append(line)
        elif name == "module":
            fields.setdefault("modules", []).append(_info_value(value))
        else:
            fields[name] = _info_value(value)
    return fields


def _info_value(value: str) -> Any:
    if "=" in value:
        return dict(_info_item(item) for item in value.split(",") if item)
    if "," in value:
        return [_number_or_text(item) for item in value.split(",") if item]
    return _number_or_text(value)


def _info_item(item: str) -> tuple[str, Any]:
    name, equals, value = item.rpartition("=")
    return (name, _number_or_text(value)) if equals else (item, True)


def _number_or_text(value: str) -> int | float | str:
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        return value


def client_fields(line: str) -> dict[str, str]:
    """One line of CLIENT LIST. A value may hold spaces (the path of a unix socket) and equals signs."""
    fields: dict[str, str] = {}
    last = ""
    for word in line.strip().split(" "):
        name, equals, value = word.partition("=")
        if equals:
            fields[name], last = value, name
        elif last:
            fields[last] += f" {word}"
    return fields


def client_list(reply: bytes | str) -> list[dict[str, str]]:
    return [client_fields(line) for line in text(reply).splitlines() if line]


def client_info(reply: bytes | str) -> dict[str, str | int]:
    """CLIENT INFO: as one line of CLIENT LIST, with its numbers as `int`."""
    fields = client_fields(text(reply))
    return {name: int(value) if name in _CLIENT_NUMBERS else value for name, value in fields.items()}


def tracking_info(reply: Any) -> dict[str, Any]:
    fields = text_map(reply)
    return {**fields, "flags": texts(fields["flags"]), "prefixes": texts(fields["prefixes"])}


def slowlog(reply: list[Any]) -> list[dict[str, Any]]:
    """SLOWLOG GET; the command's words are joined by spaces, as `bytes`."""
    return [
        {
            "id": entry[0],
            "start_time": int(entry[1]),
            "duration": int(entry[2]),
            "command": b" ".join(entry[3]),
            **({"client_address": entry[4], "client_name": entry[5]} if len(entry) > 5 else {}),
        }
        for entry in reply
    ]


def command_log(reply: list[Any]) -> list[dict[str, Any]]:
    """COMMANDLOG GET: as `slowlog`, what was measured being a time or a size."""
    return [
        {"value" if name == "duration" else name: value for name, value in row.items()}
        for row in slowlog(reply)
    ]


def command_table(reply: list[Any]) -> dict[str, dict[str, Any]]:
    """COMMAND, COMMAND INFO by name; a name that the server does not know is left out."""
    return {row["name"]: row for row in (_command(item) for item in reply if item is not None)}


def _command(item: list[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": text(item[0]),
        "arity": int(item[1]),
        "flags": texts(item[2]),
        "first_key_pos": item[3],
        "last_key_pos": item[4],
        "step_count": item[5],
    }
    if len(item) > 6:
        row["acl_categories"] = texts(item[6])
    if len(item) > 7:
        row["tips"] = texts(item[7])
        row["key_specifications"] = [_key_specification(spec) for spec in item[8]]
        row["subcommands"] = list(command_table(item[9]).values())
    return row


def _key_specification(reply: Any) -> dict[str, Any]:
    fields = text_map(reply)
    for step in ("begin_search", "find_keys"):
        search = text_map(fields[step])
        spec = {name: _word(value) for name, value in text_map(search["spec"]).items()}
        fields[step] = {"type": text(search["type"]), "spec": spec}
    return {**fields, "flags": texts(fields["flags"]), **_worded(fields, "notes")}


def _worded(fields: dict[str, Any], *names: str) -> dict[str, str]:
    return {name: text(fields[name]) for name in names if name in fields}


def _word(value: Any) -> Any:
    return text(value) if isinstance(value, (bytes, str)) else value


def command_docs(reply: Any) -> dict[str, dict[str, Any]]:
    """COMMAND DOCS by name; a command that the server does not know is left out."""
    return {text(name): _docs(docs) for name, docs in in_pairs(reply)}


def _docs(reply: Any) -> dict[str, Any]:
    """One command, or one argument of it: both may nest, each under a name of its own."""
    fields = {name: _word(value) for name, value in text_map(reply).items()}
    for name in ("flags", "doc_flags"):
        if name in fields:
            fields[name] = texts(fields[name])
    if "history" in fields:
        fields["history"] = [(text(since), text(change)) for since, change in fields["history"]]
    if "arguments" in fields:
        fields["arguments"] = [_docs(argument) for argument in fields["arguments"]]
    if "subcommands" in fields:
        fields["subcommands"] = command_docs(fields["subcommands"])
    return fields


def keys_and_flags(reply: list[Any]) -> Any:
    """COMMAND GETKEYSANDFLAGS: `(key, [flag, …])` each."""
    return [(key, texts(flags)) for key, flags in reply]


def memory_stats(reply: Any) -> dict[str, Any]:
    """MEMORY STATS: numbers as they are, fractions as `float`, the databases' figures as `dict`."""
    return {name: _memory_value(name, value) for name, value in text_map(reply).items()}


def _memory_value(name: str, value: Any) -> Any:
    if name.startswith("db."):
        return text_map(value)
    if isinstance(value, (bytes, str)):
        number = _number_or_text(text(value))
        # Counts are integers in either protocol; a fraction that happens to be whole is one all the same.
        return float(number) if isinstance(number, int) else number
    return value


def debug_object(reply: bytes | str) -> dict[str, Any]:
    """DEBUG OBJECT's line of `name:value` words, the address as `Value`."""
    words = text(reply).removeprefix("Value ").split()
    return {name: _number_or_text(value) for name, _, value in (word.partition(":") for word in words)}


def histograms(reply: Any) -> dict[str, dict[str, Any]]:
    """LATENCY HISTOGRAM by command; the buckets by their upper bound in microseconds."""
    return {text(name): _histogram(fields) for name, fields in in_pairs(reply)}


def _histogram(reply: Any) -> dict[str, Any]:
    fields = text_map(reply)
    buckets = {int(bound): count for bound, count in in_pairs(fields["histogram_usec"])}
    return {"calls": fields["calls"], "histogram_usec": buckets}


def module_list(reply: list[Any]) -> list[dict[str, Any]]:
    return [text_map(module) for module in reply]
