"""The addresses that are listened on: `127.0.0.1:8765`, `8765`, `:8765`, `[::1]:8765`, `localhost:8765`, `unix:/path`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

MAX_SOCKET_PATH_BYTES: Final = 107  # sun_path of Linux, less its NUL

_HOST_NAME: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?")
_IPV4_LIKE: Final = re.compile(r"[0-9.]+")
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_FORMS: Final = "127.0.0.1:8765, 8765, :8765, [::1]:8765, localhost:8765 or unix:/path"


@dataclass(frozen=True, slots=True)
class Address:
    """One address, parsed. TCP: `hosts` to bind, each with `port` (0 is any free one); Unix: `path`."""

    kind: Literal["tcp", "unix"]
    hosts: tuple[str, ...] = ()
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """As the site writes it."""
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.hosts == ALL_HOSTS:
            return f":{self.port}"
        host = "localhost" if self.hosts == LOCALHOST else self.hosts[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


ALL_HOSTS: Final = ("0.0.0.0", "::")
LOCALHOST: Final = ("127.0.0.1", "::1")


def parse_address(text: str) -> Address:
    """The address that a text names. A bare port is on 127.0.0.1 as the default is; `:8765` is on every address.

    Raises:
        ValueError: if it is none, with what to write.
    """
    if text.startswith("unix:"):
        return Address("unix", path=_socket_path(text.removeprefix("unix:")))
    if text.startswith("/"):
        raise ValueError(f"{text} is a path: write unix:{text}")
    if "://" in text:
        raise ValueError(f"{text} is a URL: write host:port, as in {_FORMS}")
    host, colon, port = text.rpartition(":")
    if not colon:
        if _PORT.fullmatch(text):
            return Address("tcp", ("127.0.0.1",), _port(text))
        raise ValueError(f'"{text}" has no port: write {text if _HOST_NAME.fullmatch(text) else "localhost"}:8765, or one of {_FORMS}')
    if text.endswith("]"):
        raise ValueError(f"{text} has no port: write {text}:8765")
    return Address("tcp", _hosts(host, text), _port(port))


def _hosts(host: str, text: str) -> tuple[str, ...]:
    """The addresses to bind for what stands before the port."""
    if host in {"", "*"}:
        return ALL_HOSTS
    if host == "localhost":
        return LOCALHOST
    if host.startswith("[") and host.endswith("]"):
        return (_ipv6(host[1:-1]),)
    if ":" in host and not host.startswith("["):
        raise ValueError(f"{text} is ambiguous: write an IPv6 address in brackets, [{_bare_ipv6(text)}]:8765")
    if _IPV4_LIKE.fullmatch(host):
        return (_ipv4(host),)
    if not _HOST_NAME.fullmatch(host):
        raise ValueError(f'"{host}" is no host name: write one of {_FORMS}')
    return (host,)


def _bare_ipv6(text: str) -> str:
    """The address in `::1:8765`: the text itself where it is one, else less its last part."""
    last = text.rpartition(":")[2]
    return text.rpartition(":")[0] if len(last) > 4 or last in {"8765", "80", "443"} else text


def _ipv4(host: str) -> str:
    parts = host.split(".")
    if len(parts) != 4 or any(not part or len(part) > 3 or int(part) > 255 or (part[0] == "0" and part != "0") for part in parts):
        raise ValueError(f"{host} is no IPv4 address: write four numbers up to 255, as 127.0.0.1")
    return host


def _ipv6(host: str) -> str:
    from ipaddress import IPv6Address  # only where a site has one

    try:
        IPv6Address(host)
    except ValueError:
        raise ValueError(f"[{host}] is no IPv6 address: write one as [::1] or [2001:db8::5]") from None
    return host


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError(f'"{text}" is no port: write a number from 0 to 65535')
    return int(text)


def _socket_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f'"unix:{path}" needs an absolute path: write unix:/run/wsrouter/ws.sock')
    if "\0" in path or path.endswith("/"):
        raise ValueError(f'"unix:{path}" names no file: write unix:/run/wsrouter/ws.sock')
    if len(path.encode(errors="replace")) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"unix:{path} is over {MAX_SOCKET_PATH_BYTES} bytes, the most that a socket's path can have: use a shorter one")
    return path
