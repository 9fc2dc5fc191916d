"""Certificates made for a test, in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

PASSWORD = "open sesame"


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: an authority, a server's certificate for 127.0.0.1 and localhost, and a client's.

    `locked_key` is the server's key once more, encrypted with `PASSWORD`; `stranger` and `stranger_key` are a client
    of another authority, `other_server` and `other_key` a further server of the same one.
    """

    authority: str
    server: str
    key: str
    locked_key: str
    client: str
    client_key: str
    stranger: str
    stranger_key: str
    other_server: str
    other_key: str


def make_certificates(folder: Path) -> Certificates:
    authority, elsewhere = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")

    def issue(issuer: trustme.CA, name: str, *identities: str) -> tuple[str, str]:
        made = issuer.issue_cert(*identities)
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        for blob in made.cert_chain_pems:
            blob.write_to_path(chain, append=True)
        made.private_key_pem.write_to_path(key)
        return str(chain), str(key)

    server, key = issue(authority, "server", "127.0.0.1", "localhost")
    client, client_key = issue(authority, "client", "client@example.org")
    stranger, stranger_key = issue(elsewhere, "stranger", "stranger@example.org")
    other_server, other_key = issue(authority, "other", "127.0.0.1", "localhost")
    locked = folder / "locked.key"
    locked.write_bytes(
        serialization.load_pem_private_key(Path(key).read_bytes(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    return Certificates(
        str(folder / "ca.pem"),
        server,
        key,
        str(locked),
        client,
        client_key,
        stranger,
        stranger_key,
        other_server,
        other_key,
    )
