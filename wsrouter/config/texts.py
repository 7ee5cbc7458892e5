"""Texts of the site with a grammar of their own: origins, hosts, networks, subprotocols. Each check raises ValueError with the cure."""

from __future__ import annotations

import re
from typing import Final

_ORIGIN: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/:?#@\[\]]+)(?::(?P<port>[0-9]{1,5}|\*))?", re.ASCII)
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)(?::[0-9]{1,5})?", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2


def check_origin(text: str) -> None:
    """An entry of `origins`: `https://example.com`, `http://localhost:*`, `https://*.example.com`, `null`, `*`.

    Raises:
        ValueError: if it can never match an Origin header, with what to write.
    """
    if text in {"*", "null", "same-host"}:
        return
    match = _ORIGIN.match(text)
    if match is None:
        name = text.removeprefix("//").split("/")[0]
        cure = f"https://{name}" if re.fullmatch(r"(\*\.)?[\w.-]+(:\d+|:\*)?", name) else "https://example.com"
        raise ValueError(f'"{text}" is no origin: write {cure}, or same-host, "null" or "*"')
    if match.end() != len(text):
        raise ValueError(f'"{text}" has more than scheme, host and port: write {match[0]}')
    host = match["host"]
    if "*" in host and (not host.startswith("*.") or "*" in host[1:] or host == "*."):
        raise ValueError(f'"{text}": a * stands for the leading labels only, as in {match["scheme"]}://*.example.com')
    if match["scheme"] in {"ws", "wss"}:
        raise ValueError(
            f'"{text}" is the address of a WebSocket; an origin is that of a page: write {match["scheme"].replace("ws", "http")}{text[len(match["scheme"]) :]}'
        )
    if match["port"] not in {None, "*"} and int(match["port"]) > 65535:
        raise ValueError(f'"{text}" has no such port: write a number up to 65535, or :*')


def check_host(text: str) -> None:
    """An entry of `hosts`: a name or an address, with a port or without.

    Raises:
        ValueError: if it can never match a Host header.
    """
    if not _HOST.fullmatch(text):
        raise ValueError(f'"{text}" is no Host: write a name as example.com, without scheme and path')


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
