"""Texts of the site with a grammar of their own: origins, hosts, networks, subprotocols. Each check raises ValueError with the cure."""

from __future__ import annotations

import re
from typing import Final

from wsrouter.config.address import parse_address

_ORIGIN: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,63})://(?P<host>\[[^\[\]]*\]|[^\s/:?#@\[\]]+)(?::(?P<port>[0-9]{1,5}|\*))?", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", re.ASCII)
_HOST: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\s/:\[\]]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]{0,255}", re.ASCII)
_PRINTABLE: Final = re.compile(r"[!-~]*", re.ASCII)
LEAST_TOKEN: Final = 16  # characters; as for the tokens of clients, see `access.tokens`
_SPECIAL_ORIGINS: Final = {"*", "null", "same-host", "file://"}


def check_origin(text: str) -> None:
    """An entry of `origins`: `https://example.com`, `http://localhost:*`, `https://*.example.com`, `same-host`, `null`, `*`.

    Takes no text that `access.origins` does not take.

    Raises:
        ValueError: if it can never match an Origin header, with what to write.
    """
    if text in _SPECIAL_ORIGINS:
        return
    match = _ORIGIN.match(text)
    if match is None:
        raise ValueError(f'"{text}" is no origin: write {_origin_near(text)}, or same-host, "null" or "*"')
    scheme, host, port = match["scheme"], match["host"], match["port"]
    if match.end() != len(text):
        raise ValueError(f'"{text}" has more than scheme, host and port: write {match[0]}')
    if "*" in host.removeprefix("*."):
        raise ValueError(f'"{text}": a * stands for the first label or the port only, as in {scheme}://*.example.com')
    if scheme in {"ws", "wss"}:
        raise ValueError(f'"{text}" is the address of a WebSocket; an origin is that of a page: write {scheme.replace("ws", "http")}{text[len(scheme) :]}')
    if not is_host(host.removeprefix("*.")) or host.startswith("*.["):
        raise ValueError(f'"{text}": {host} is no name of a host; write one in ASCII, as {scheme}://example.com')
    if port not in {None, "*"} and int(port) > 65535:
        raise ValueError(f'"{text}" has no such port: write a number up to 65535, or :*')


def _origin_near(text: str) -> str:
    """The origin that was meant: with a scheme before it, where that is what is missing."""
    name = text.removeprefix("//").split("/")[0]
    return f"https://{name}" if re.fullmatch(r"(\*\.)?[\w.-]+(:\d+|:\*)?", name, re.ASCII) else "https://example.com"


def is_host(text: str) -> bool:
    """Whether it is a name, an IPv4 address, or an IPv6 address in brackets."""
    if not text.startswith("["):
        return _NAME.fullmatch(text) is not None and ".." not in text
    from ipaddress import IPv6Address  # only where a site has one

    try:
        IPv6Address(text[1:-1])
    except ValueError:
        return False
    return "%" not in text


def check_host(text: str) -> None:
    """An entry of `hosts`: a name or an address, with a port or without.

    Raises:
        ValueError: if it can never match a Host header.
    """
    match = _HOST.fullmatch(text)
    if match is None or not is_host(match["host"]) or int(match["port"] or 0) > 65535:
        star = "; name each one, * stands for nothing here" if "*" in text else ""
        raise ValueError(f'"{text}" is no Host: write a name as example.com, without scheme and path{star}')


def check_network(text: str) -> None:
    """An entry of `trusted_proxies`: an address, a network, or `unix` for peers of a Unix socket.

    Raises:
        ValueError: if it is neither.
    """
    from ipaddress import ip_network  # only where a site has one

    if text == "unix":
        return
    try:
        ip_network(text)
    except ValueError as error:
        cure = f"write {ip_network(text, strict=False)}" if "host bits" in str(error) else "write 10.0.0.5, 10.0.0.0/8 or fd00::/8"
        raise ValueError(f'"{text}" is no address or network: {cure}') from None


def check_subprotocol(text: str) -> None:
    """An entry of `subprotocols`.

    Raises:
        ValueError: if no header can carry it.
    """
    if not _TOKEN.fullmatch(text):
        raise ValueError(f'"{text}" is no subprotocol: write letters, digits and . - _ only, as chat.v1')


def check_not_empty(text: str) -> None:
    """A path or a pattern of files.

    Raises:
        ValueError: if it is empty or holds a NUL.
    """
    if not text or "\0" in text:
        raise ValueError("this names no file: write a path")


def check_health_path(text: str) -> None:
    """The path of `server.health`.

    Raises:
        ValueError: if no request could name it.
    """
    if not _PATH.fullmatch(text):
        raise ValueError(f'"{text}" is no path: write /healthz, without a query and without parameters')


def check_admin_address(text: str) -> None:
    """The address of the private side: TCP, as its Unix socket is always there.

    Raises:
        ValueError: if it is none, or a Unix socket's.
    """
    if parse_address(text).kind == "unix":
        raise ValueError(f"{text} is a Unix socket, and the private side has one of its own: write 127.0.0.1:9464, or delete it")


def check_admin_token(text: str) -> None:
    """The token of the private side; the text of the error does not show it.

    Raises:
        ValueError: if it could not stand in a header, or might be guessed.
    """
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("a token has printable ASCII characters only, and no spaces: make one with openssl rand -hex 32")
    if len(text) < LEAST_TOKEN:
        raise ValueError(f"this token has {len(text)} characters, and {LEAST_TOKEN} are the least: make one with openssl rand -hex 32")


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone. A name is not: what it stands for may change."""
    return host == "::1" or (host.startswith("127.") and host.replace(".", "").isdigit())
