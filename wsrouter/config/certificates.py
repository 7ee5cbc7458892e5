"""Certificates of listeners, looked at when the site is checked: whether the files are there, fit each other, and are not expired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from wsrouter.config.nodes import MappingNode, Node, SequenceNode, hide
from wsrouter.config.settings import Listen, Server, Tls

if TYPE_CHECKING:
    from wsrouter.config.problems import Problems

_MOST_BYTES: Final = 1 << 20
_SEQUENCE, _UTC_TIME, _VERSION = 0x30, 0x17, 0xA0
_EXPIRES_SOON_DAYS: Final = 7


def resolve(server: Server, folder: Path) -> Server:
    """The server with the paths of its certificates as seen from here: in the site they are relative to its file."""
    return replace(server, listen=[_resolved(listen, folder) for listen in server.listen])


def check_certificates(server: Server, node: Node | None, problems: Problems) -> None:
    """Notes what is wrong with the files, each at the key that names it. `server` has its paths resolved, `node` is what the site says."""
    for listen, at in zip(server.listen, _listen_nodes(node), strict=False):
        tls = at.find("tls") if isinstance(at, MappingNode) else None
        if listen.tls is not None and isinstance(tls, MappingNode):
            _check(listen.tls, tls, problems)


def expires_at(der: bytes) -> datetime:
    """Until when a certificate is valid (RFC 5280, section 4.1.2.5).

    Raises:
        ValueError: if it is none.
    """
    try:
        fields = _items(_items(_items(der)[0][1])[0][1])
        validity = fields[4 if fields[0][0] == _VERSION else 3][1]  # after serial number, algorithm and issuer
        tag, text = _items(validity)[1]
        year = text.decode("ascii")
        if tag == _UTC_TIME:
            year = ("19" if year[:2] >= "50" else "20") + year
        return datetime.strptime(year, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except IndexError:
        raise ValueError("this is no certificate") from None


def _resolved(listen: Listen, folder: Path) -> Listen:
    tls = listen.tls
    if tls is None:
        return listen
    authority = str(folder / tls.client_ca) if tls.client_ca is not None else None
    return replace(listen, tls=replace(tls, cert=str(folder / tls.cert), key=str(folder / tls.key), client_ca=authority))


def _listen_nodes(server: Node | None) -> Sequence[Node]:
    listen = server.find("listen") if isinstance(server, MappingNode) else None
    if listen is None:
        return ()
    return listen.items if isinstance(listen, SequenceNode) else (listen,)


def _check(tls: Tls, node: MappingNode, problems: Problems) -> None:
    """One listener's files."""
    before = len(problems)
    for name in ("cert", "key", "client_ca"):
        path = getattr(tls, name)
        if path is not None:
            _check_file(name, path, node, problems)
    if len(problems) == before:
        _check_pair(tls, node, problems)


def _check_file(name: str, path: str, node: MappingNode, problems: Problems) -> None:
    """Whether a file is there and may be read; that it may not be read by whoever checks is no error of the site's."""
    at = node.find(name) or node
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            file.read(1)
    except PermissionError:
        problems.warn(at.place, hide(at, f"{name}: {path} may not be read by this user, so it was not looked at"))
    except FileNotFoundError:
        problems.add(at.place, hide(at, f"{name}: there is no file {path}"))
    except (OSError, ValueError) as error:
        problems.add(at.place, hide(at, f"{name}: {path}: {getattr(error, 'strerror', None) or error}"))
    else:
        if size > _MOST_BYTES:
            problems.add(at.place, hide(at, f"{name}: {path} is no PEM file: it has {size} bytes"))


def _check_pair(tls: Tls, node: MappingNode, problems: Problems) -> None:
    import ssl  # 10 ms, which sites without TLS need not spend

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert, tls.key, password=lambda: "")
    except (OSError, ValueError) as error:
        name = "cert" if not _is_pem(tls.cert, "CERTIFICATE") else "key"
        problems.add((node.find(name) or node).place, hide(node, f"{name}: {_why(error, tls, name)}"))
        return
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ValueError) as error:
            at = node.find("client_ca") or node
            problems.add(at.place, hide(at, f"client_ca: {tls.client_ca} holds no certificate in PEM: {_reason(error)}"))
    at = node.find("cert") or node
    try:
        until = expires_at(ssl.PEM_cert_to_DER_cert(_first_certificate(tls.cert)))
    except ValueError:
        return  # OpenSSL has taken it: it is only this reader that does not understand it
    left_days = (until - datetime.now(UTC)).days
    if left_days < 0:
        problems.warn(at.place, hide(at, f"cert: {tls.cert} expired on {until:%Y-%m-%d}; renew it, then wsrouter reload"))
    elif left_days < _EXPIRES_SOON_DAYS:
        problems.warn(at.place, hide(at, f"cert: {tls.cert} expires on {until:%Y-%m-%d}; renew it, then wsrouter reload"))


def _why(error: Exception, tls: Tls, name: str) -> str:
    """What is wrong with the pair."""
    reason = _reason(error)
    if name == "cert":
        return f"{tls.cert} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
    if reason == "KEY_VALUES_MISMATCH":
        return f"{tls.key} does not belong to the certificate {tls.cert}"
    if "ENCRYPTED" in _text(tls.key):
        return f"{tls.key} is encrypted, and nobody is there to type its password; write it without: openssl pkey -in {tls.key} -out key.pem"
    if not _is_pem(tls.key, "PRIVATE KEY"):
        return f"{tls.key} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
    return f"{tls.key} cannot be used with {tls.cert}: {reason}"


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)


def _is_pem(path: str, what: str) -> bool:
    return f"{what}-----" in _text(path)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("latin-1")
    except OSError:
        return ""


def _first_certificate(path: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    text = _text(path)
    at = text.index(begin)
    return text[at : text.index(end, at) + len(end)]


def _items(data: bytes) -> list[tuple[int, bytes]]:
    """The values that follow one another in DER, as (tag, content).

    Raises:
        IndexError: where one is not whole.
    """
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise IndexError("a value that is not whole")
        found.append((tag, data[at : at + length]))
        at += length
    return found
