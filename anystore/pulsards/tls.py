"""TLS for listeners: the directives `tls-…` as the settings of Python's ssl module.

Source: redis.conf of Redis 7.4, section "TLS/SSL".
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

from anystore.pulsards.config import Config

_VERIFY: Final = {"no": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "yes": ssl.CERT_REQUIRED}
_PROTOCOLS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}
#: What decides how connections are made; a change makes new connections use new settings.
DIRECTIVES: Final = frozenset(
    (
        *("tls-cert-file", "tls-key-file", "tls-key-file-pass", "tls-ca-cert-file", "tls-ca-cert-dir"),
        *("tls-auth-clients", "tls-protocols", "tls-ciphers", "tls-prefer-server-ciphers"),
    )
)


def server_context(config: Config) -> ssl.SSLContext:
    """How connections are made by these settings; reads the files. `ValueError` says what is wrong, and no secret."""
    values = config.values
    if not values["tls-cert-file"]:
        raise ValueError("tls-cert-file is needed to listen with TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, values, "tls-")
    context.verify_mode = _VERIFY[values["tls-auth-clients"]]
    authorities, folder = values["tls-ca-cert-file"], values["tls-ca-cert-dir"]
    if authorities or folder:
        try:
            context.load_verify_locations(authorities or None, folder or None)
        except OSError as error:
            raise ValueError(f"tls-ca-cert-file, tls-ca-cert-dir: {_reason(error)}") from None
    elif context.verify_mode is not ssl.CERT_NONE:
        raise ValueError("tls-auth-clients needs a tls-ca-cert-file or tls-ca-cert-dir to check clients by")
    _limit(context, values["tls-protocols"])
    if values["tls-ciphers"]:
        try:
            context.set_ciphers(values["tls-ciphers"])
        except ssl.SSLError:
            raise ValueError("tls-ciphers names no cipher that there is") from None
    if values["tls-prefer-server-ciphers"]:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """How the connection to a primary is made by these settings: it has to have a certificate of a known authority.

    The server's own certificate is shown to it, unless there is one for that (tls-client-cert-file). As in Redis the name in
    the primary's does not count. Reads the files. `OSError` says what is wrong, and no secret.
    """
    values = config.values
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        prefix = "tls-client-" if values["tls-client-cert-file"] else "tls-"
        if values[prefix + "cert-file"]:
            _load(context, values, prefix)
        _limit(context, values["tls-protocols"])
    except ValueError as error:
        raise OSError(str(error)) from None
    if not values["tls-ca-cert-file"] and not values["tls-ca-cert-dir"]:
        raise OSError("tls-replication needs a tls-ca-cert-file or tls-ca-cert-dir to check the primary by")
    context.load_verify_locations(values["tls-ca-cert-file"] or None, values["tls-ca-cert-dir"] or None)
    return context


def _load(context: ssl.SSLContext, values: Mapping[str, Any], prefix: str) -> None:
    """Load the certificate and the key of the directives that begin so."""
    certificate, key = values[prefix + "cert-file"], values[prefix + "key-file"]
    try:
        # A function, so that OpenSSL never asks at the terminal.
        context.load_cert_chain(certificate, key or None, lambda: values[prefix + "key-file-pass"])
    except (OSError, ValueError) as error:
        raise ValueError(f"{prefix}cert-file, {prefix}key-file: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not what it should be"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _limit(context: ssl.SSLContext, names: str) -> None:
    """Allow these protocol versions; without any, TLS 1.2 and 1.3."""
    versions = []
    for name in names.lower().split():
        if name not in _PROTOCOLS:
            raise ValueError("tls-protocols: want TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3")
        versions.append(_PROTOCOLS[name])
    context.minimum_version = min(versions, default=ssl.TLSVersion.TLSv1_2)
    context.maximum_version = max(versions, default=ssl.TLSVersion.MAXIMUM_SUPPORTED)
