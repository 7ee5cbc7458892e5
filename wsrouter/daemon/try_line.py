"""The command that a newcomer can try: where this daemon is reached, on one of its routes. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from wsrouter.access.hosts import admits_host, parse_host
from wsrouter.routing.pattern import Kind, Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence


def try_command(urls: Sequence[str], hosts: Sequence[str], patterns: Sequence[Pattern]) -> str:
    """`wsrouter connect ws://127.0.0.1:8765/echo`: on the first TCP address, else the first; on the first route without parameters, else the first."""
    url = next((url for url in urls if not url.startswith("ws+unix:")), urls[0])
    pattern = next((pattern for pattern in patterns if not pattern.params), patterns[0])
    if url.startswith("ws+unix:"):
        return f"wsrouter connect {shlex.quote(f'{url}:{example_path(pattern)}')}"
    check = " --no-check" if url.startswith("wss:") else ""  # the certificate is for another name than 127.0.0.1
    return f"wsrouter connect{check} {shlex.quote(reachable(url, hosts) + example_path(pattern))}"


def reachable(url: str, hosts: Sequence[str]) -> str:
    """The address as a client on this machine would write it, with a name that is served."""
    parts = urlsplit(url)
    place = parts.netloc.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
    if hosts and not admits_host(place, hosts):
        served = parse_host(hosts[0])
        place = hosts[0] if served is None or served[1] is not None else f"{hosts[0]}:{parts.port}"
    return f"{parts.scheme}://{place}"


def example_path(pattern: Pattern) -> str:
    """A path that the pattern matches, as it stands in a URL."""
    words = ("1" if segment.kind is Kind.INT else segment.text if segment.kind is Kind.LITERAL else "example" for segment in pattern.segments)
    return "/" + quote("/".join(words))
