"""Whose address it is: the client behind trusted proxies, and the group that limits count together.

A proxy appends the address that it sees to `X-Forwarded-For` or `Forwarded` (RFC 7239). Whatever stands further left came
with the request and may be made up, so the walk begins at the right and ends at the first address that is not trusted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # costs milliseconds that most sites need not spend
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network

UNIX: Final = "unix"
"""The peer of a Unix socket, and how `trusted_proxies` names it."""

# Stands for Unix sockets among the networks: the unspecified address, which no peer has and no header is believed to name.
_UNIX_NETWORK: Final = "::/128"
_PORT: Final = re.compile(r":(?:[0-9]{1,5}|_[A-Za-z0-9._-]{1,32})")
_MAX_HOPS: Final = 64  # chains of proxies have under ten; the walk stays short whatever a client sends
_MAX_ADDRESS: Final = 64  # an IPv6 address in quotes and brackets with its port has 49


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of the settings `trusted_proxies` and `addresses`: `10.0.0.0/8`, `127.0.0.1`, `::1`, or `unix` for the peers of Unix sockets.

    Raises:
        ValueError: with the text that is none of these, and what to write.
    """
    from ipaddress import ip_network

    networks = []
    for text in texts:
        try:
            networks.append(ip_network(_UNIX_NETWORK if text == UNIX else text))
        except ValueError:
            raise ValueError(_cure_network(text)) from None
    return tuple(networks)


def client_address(peer_ip: str, forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address in its shortest form, without port; the peer's unless a trusted proxy tells another.

    `peer_ip` is the socket's other end, or `unix`; the headers are given as they came, each occurrence one text. An entry
    that is no address (`unknown`, `_hidden`, garbage) ends the walk at the proxy that wrote it. Where both headers are there
    and disagree, one of them came from the client, so the peer's address stands.
    """
    peer = UNIX if peer_ip == UNIX else _shortest(peer_ip)
    if not trusted or not is_within(peer, trusted):
        return peer
    told = set()
    if forwarded_for:
        told.add(_walk(peer, [_parse_hop(entry) for entry in _last_entries(forwarded_for)], trusted))
    if forwarded:
        told.add(_walk(peer, [_parse_element(entry) for entry in _last_entries(forwarded)], trusted))
    return told.pop() if len(told) == 1 else peer


def is_within(ip: str, networks: Sequence[Network]) -> bool:
    """Whether an address, or `unix`, is in one of the networks."""
    address = _parse_address("::" if ip == UNIX else ip)
    return address is not None and any(address in network for network in networks)


class AddressPolicy:
    """Which clients a route admits by their address: those of `allow`, or all where it is empty, less those of `deny`."""

    def __init__(self, allow: Sequence[str], deny: Sequence[str]) -> None:
        """Networks as `parse_networks` takes them.

        Raises:
            ValueError: where one is none.
        """
        self._allow = parse_networks(allow)
        self._deny = parse_networks(deny)

    def cure(self, client: str) -> str | None:
        """What would let a client in; None where it is let in. What is no address is let in nowhere."""
        if is_within(client, self._deny):
            return f"addresses.deny has {client}"
        if self._allow and not is_within(client, self._allow):
            return f"add {client} to addresses.allow"
        return None if client == UNIX or _parse_address(client) is not None else "it is no address"


def address_group(ip: str) -> str:
    """What limits count as one client: an IPv4 address, or the /64 of an IPv6 address, as everybody has a whole one."""
    from ipaddress import IPv6Address, IPv6Network

    address = _parse_address(ip)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return ip if address is None else str(address)


def _last_entries(header: Sequence[str]) -> list[str]:
    """The last entries of a header that may stand several times, from right to left. Quoted commas are not for addresses."""
    return ",".join(header).rsplit(",", _MAX_HOPS)[-_MAX_HOPS:][::-1]


def _walk(peer: str, hops: Sequence[Address | None], trusted: Sequence[Network]) -> str:
    """The first hop that is not trusted; the last good one where the chain breaks or ends before."""
    client = peer
    for hop in hops:
        if hop is None:
            break
        client = str(hop)
        if not is_within(client, trusted):
            break
    return client


def _parse_element(element: str) -> Address | None:
    """The `for=` of one element of `Forwarded`; None where it has none or several."""
    found = [value for name, _, value in (pair.partition("=") for pair in element.split(";")) if name.strip().lower() == "for"]
    if len(found) != 1:
        return None
    value = found[0].strip()
    return _parse_hop(value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value)


def _parse_hop(text: str) -> Address | None:
    """An address with or without brackets and port; None for what is none. The unspecified address is nobody's."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in text or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    address = _parse_address(text)
    return None if address is None or address.is_unspecified else address


def _is_port(text: str) -> bool:
    """Whether it is `:` and a port, or what RFC 7239 lets hide one (`:_x1`)."""
    return _PORT.fullmatch(text) is not None


def _parse_address(text: str) -> Address | None:
    """An address; an IPv4 address that is written as IPv6 comes as IPv4. None for anything else, zones included."""
    from ipaddress import IPv6Address, ip_address

    if len(text) > _MAX_ADDRESS or "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _shortest(ip: str) -> str:
    """An address in its shortest form; what is no address stays as it is."""
    address = _parse_address(ip)
    return ip if address is None else str(address)


def _cure_network(text: str) -> str:
    """What is wrong with a text that is no network."""
    from ipaddress import ip_interface

    shown = repr(text if len(text) <= 60 else text[:60] + "…")
    try:
        interface = ip_interface(text)
    except ValueError:
        near = ""
        if text.lower() == "localhost":
            near = "write 127.0.0.1 and ::1; "
        elif text == "*":
            near = "write 0.0.0.0/0 and ::/0 to believe everybody; "
        elif _parse_hop(text) is not None:
            near = f"write {_parse_hop(text)}; "
        return f"{shown} is no address or network; {near}allowed are addresses (10.0.0.1, ::1), networks (10.0.0.0/8, fd00::/8) and unix"
    return f"{shown} has bits set beyond its prefix; write {interface.network} for the network or {interface.ip} for the address"
