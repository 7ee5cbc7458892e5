"""The PROXY protocol's header, versions 1 and 2 (proxy-protocol.txt): whose connection a proxy hands on. Pure: no I/O.

while more := bytes_wanted(data):
data += read(more)                  # never more than `more`: what follows the header is the client's
source = parse_header(data)
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from wsrouter.access.bounds import MAX_PROXY_V1_BYTES, MAX_PROXY_V2_BYTES

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V1_BEGIN: Final = b"PROXY "

# The shortest lines: "PROXY UNKNOWN\r\n", "PROXY TCP6 :: :: 0 0\r\n", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".
_V1_LEAST: Final = {b"PROXY TCP4 ": 32, b"PROXY TCP6 ": 22}
_V1_SHORTEST: Final = 15
_V2_HEAD: Final = 16
_V1: Final = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n")
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_ADDRESS_BYTES: Final = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}  # unspecified, TCP over IPv4, over IPv6, a Unix socket

Source = tuple[str, int]
"""The address and port of who connected to the proxy."""


class ProxyHeaderError(ValueError):
    """What came is no PROXY header; the text says why."""


def bytes_wanted(data: bytes | bytearray) -> int:
    """How many more bytes surely belong to the header; 0 once it is whole.

    Raises:
        ProxyHeaderError: as soon as it cannot become one.
    """
    begin = bytes(data[: len(SIGNATURE)])
    if SIGNATURE.startswith(begin) and len(data) < len(SIGNATURE):
        return (_V1_SHORTEST if V1_BEGIN.startswith(begin) else _V2_HEAD) - len(data)
    if begin == SIGNATURE:
        return _v2_wanted(data)
    if not (data[: len(V1_BEGIN)] == V1_BEGIN or V1_BEGIN.startswith(begin)):
        raise ProxyHeaderError("no PROXY header")
    return _v1_wanted(data)


def parse_header(data: bytes | bytearray) -> Source | None:
    """Who it is; None where the header says that nobody is behind it (LOCAL), or does not say who (UNKNOWN, a Unix socket).

    Raises:
        ProxyHeaderError: where it is none, or says something impossible.
    """
    if data.startswith(SIGNATURE):
        return _parse_v2(bytes(data))
    return _parse_v1(bytes(data))


def _v1_wanted(data: bytes | bytearray) -> int:
    if b"\n" in data:
        if data.index(b"\n") != len(data) - 1 or not data.endswith(b"\r\n"):
            raise ProxyHeaderError("a line that does not end with CRLF")
        return 0
    if len(data) < _V1_SHORTEST:
        return _V1_SHORTEST - len(data)
    least = _V1_LEAST.get(bytes(data[:11]), 0)
    wanted = max(least - len(data), 1 if data.endswith(b"\r") else 2)
    if len(data) + wanted > MAX_PROXY_V1_BYTES:
        raise ProxyHeaderError(f"a line of over {MAX_PROXY_V1_BYTES} bytes")
    return wanted


def _v2_wanted(data: bytes | bytearray) -> int:
    if len(data) < _V2_HEAD:
        return _V2_HEAD - len(data)
    whole = _V2_HEAD + struct.unpack_from("!H", data, 14)[0]
    if whole > MAX_PROXY_V2_BYTES:
        raise ProxyHeaderError(f"a header of {whole} bytes; {MAX_PROXY_V2_BYTES} are allowed")
    return int(whole) - len(data)


def _parse_v1(line: bytes) -> Source | None:
    if len(line) > MAX_PROXY_V1_BYTES:
        raise ProxyHeaderError(f"a line of over {MAX_PROXY_V1_BYTES} bytes")
    if _V1_UNKNOWN.fullmatch(line):
        return None
    match = _V1.fullmatch(line)
    if match is None:
        raise ProxyHeaderError("a PROXY line that is none")
    make: type[IPv4Address | IPv6Address] = IPv4Address if match[1] == b"TCP4" else IPv6Address
    try:
        source, _ = make(match[2].decode()), make(match[3].decode())
    except ValueError:
        raise ProxyHeaderError(f"an address that is none of {match[1].decode()}") from None
    if max(int(match[4]), int(match[5])) > 65535:
        raise ProxyHeaderError("a port over 65535")
    return str(source), int(match[4])


def _parse_v2(data: bytes) -> Source | None:
    if bytes_wanted(data) != 0:
        raise ProxyHeaderError("a header of another length than it says")
    command, family = data[12], data[13]
    if command >> 4 != 2:
        raise ProxyHeaderError(f"version {command >> 4}")
    if command & 0x0F > 1:
        raise ProxyHeaderError(f"the unknown command {command & 0x0F}")
    if command & 0x0F == 0:  # LOCAL: a health check of the proxy's own; what follows says nothing
        return None
    needed = _ADDRESS_BYTES.get(family)
    if needed is None:
        raise ProxyHeaderError(f"the family and protocol 0x{family:02x}; known are TCP over IPv4, over IPv6, Unix sockets and unspecified")
    if len(data) - _V2_HEAD < needed:
        raise ProxyHeaderError(f"{len(data) - _V2_HEAD} bytes of addresses where {needed} are needed")
    if family == 0x11:  # what follows the addresses are TLVs, which are skipped
        return str(IPv4Address(data[16:20])), struct.unpack_from("!H", data, 24)[0]
    if family == 0x21:
        return str(IPv6Address(data[16:32])), struct.unpack_from("!H", data, 48)[0]
    return None
