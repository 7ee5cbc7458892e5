"""TLS at the door: the context of a listener, and what a handshake that failed was about."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from wsrouter.api.errors import StartError

if TYPE_CHECKING:
    from wsrouter.config.settings import Tls

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_PLAIN_TEXT: Final = ("plain text on a TLS listener", "connect with wss://, or take tls: from the listener")
_NOT_TRUSTED: Final = ("the client does not trust the certificate", "give tls.cert the whole chain, or have the client trust its authority")
_TOO_OLD: Final = ("the client speaks only older versions of TLS", "tls.min_version is {min_version}")
_NO_CERTIFICATE: Final = ("the client showed no certificate", "give it one of an authority in tls.client_ca")

# The reasons of OpenSSL, in words and with the cure.
_REASONS: Final = {
    "HTTP_REQUEST": _PLAIN_TEXT,
    "HTTPS_PROXY_REQUEST": _PLAIN_TEXT,
    "WRONG_VERSION_NUMBER": ("not TLS", "connect with wss://; behind a proxy that sends a PROXY header, set proxy_protocol: require"),
    "UNSUPPORTED_PROTOCOL": _TOO_OLD,
    "VERSION_TOO_LOW": _TOO_OLD,
    "NO_SHARED_CIPHER": ("no cipher in common", ""),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": _NO_CERTIFICATE,
    "CERTIFICATE_VERIFY_FAILED": ("the client's certificate is not accepted", "give it one of an authority in tls.client_ca"),
    "TLSV1_ALERT_UNKNOWN_CA": _NOT_TRUSTED,
    "SSLV3_ALERT_BAD_CERTIFICATE": _NOT_TRUSTED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _NOT_TRUSTED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("the client finds the certificate expired", "renew tls.cert, then wsrouter reload"),
}


def server_context(tls: Tls) -> ssl.SSLContext:
    """The TLS context of a listener.

    Raises:
        StartError: if a file is missing or no certificate, or the key does not belong to it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert, tls.key, password=lambda: "")  # an encrypted key fails, where OpenSSL would ask the terminal
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"cannot use the certificate {tls.cert} with the key {tls.key}: {error}") from error
    return context


def explain_failure(error: Exception, tls: Tls) -> dict[str, object] | None:
    """Why a TLS handshake failed and what to do, for the record; None where the client only hung up."""
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if not reason and "EOF" in str(error).upper():
            return None
        detail, fix = _REASONS.get(reason, (reason.lower().replace("_", " ") or str(error), ""))
        if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
            detail += f": {error.verify_message}"
        return {"reason": reason.lower() or "error", "detail": detail, "fix": fix.format(min_version=tls.min_version)}
    if isinstance(error, ConnectionAbortedError | TimeoutError):  # both loops say so of their own time limit
        return {"reason": "timeout", "detail": f"not done within {tls.handshake:g} s", "fix": ""}
    if isinstance(error, OSError):
        return None
    return {"reason": "error", "detail": str(error) or type(error).__name__, "fix": ""}
