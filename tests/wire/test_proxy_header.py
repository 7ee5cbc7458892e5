from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.access.addresses import parse_networks
from wsrouter.wire.proxy_header import SIGNATURE, ProxyHeaderError, bytes_wanted, parse_header

# Written out from proxy-protocol.txt, with none of our code.


def v1(text: str) -> bytes:
    return f"PROXY {text}\r\n".encode()


def v2(family: int, addresses: bytes, *, command: int = 0x21, tlvs: bytes = b"", length: int | None = None) -> bytes:
    body = addresses + tlvs
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body) if length is None else length) + body


def v2_tcp4(source: str = "192.0.2.7", port: int = 40123, **more: object) -> bytes:
    return v2(0x11, socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", port, 443), **more)  # type: ignore[arg-type]


def v2_tcp6(source: str = "2001:db8::7", port: int = 40123, **more: object) -> bytes:
    six = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    return v2(0x21, six + struct.pack("!HH", port, 443), **more)  # type: ignore[arg-type]


VALID = {
    "v1 over IPv4": (v1("TCP4 192.0.2.7 198.51.100.1 40123 443"), ("192.0.2.7", 40123)),
    "v1 over IPv4, the longest": (v1("TCP4 255.255.255.255 255.255.255.255 65535 65535"), ("255.255.255.255", 65535)),
    "v1 over IPv4, the shortest": (v1("TCP4 1.1.1.1 1.1.1.1 0 0"), ("1.1.1.1", 0)),
    "v1 over IPv6": (v1("TCP6 2001:db8::7 2001:db8::1 40123 443"), ("2001:db8::7", 40123)),
    "v1 over IPv6, the shortest": (v1("TCP6 :: :: 1 1"), ("::", 1)),
    "v1 over IPv6, the longest": (v1(f"TCP6 {'ffff:' * 7}ffff {'ffff:' * 7}ffff 65535 65535"), ("ffff:" * 7 + "ffff", 65535)),
    "v1 unknown": (v1("UNKNOWN"), None),
    "v1 unknown with more": (v1("UNKNOWN ffff::1 ffff::2 65535 65535"), None),
    "v1 of 107 bytes": (v1("UNKNOWN " + "x" * 91), None),
    "v2 over IPv4": (v2_tcp4(), ("192.0.2.7", 40123)),
    "v2 over IPv6": (v2_tcp6(), ("2001:db8::7", 40123)),
    "v2 with TLVs": (v2_tcp4(tlvs=b"\x05\x00\x04abcd\x04\x00\x00"), ("192.0.2.7", 40123)),
    "v2 of 536 bytes": (v2_tcp4(tlvs=bytes(508)), ("192.0.2.7", 40123)),
    "v2 local": (v2(0x00, b"", command=0x20), None),
    "v2 local with addresses": (v2_tcp4(command=0x20), None),
    "v2 unspecified": (v2(0x00, b""), None),
    "v2 unspecified with bytes": (v2(0x00, b"whatever"), None),
    "v2 of a Unix socket": (v2(0x31, bytes(216)), None),
}
INVALID = {
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(30),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "lower case": b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
    "v1 of UDP": v1("UDP4 1.1.1.1 1.1.1.1 1 1"),
    "v1 with LF alone": b"PROXY TCP4 192.0.2.7 198.51.100.1 1 443\n",
    "v1 with two spaces": v1("TCP4  192.0.2.7 198.51.100.1 1 443"),
    "v1 with a leading zero": v1("TCP4 192.0.2.07 198.51.100.1 1 443"),
    "v1 with a port of zeros": v1("TCP4 192.0.2.7 198.51.100.1 0001 443"),
    "v1 with a port too large": v1("TCP4 192.0.2.7 198.51.100.1 65536 443"),
    "v1 with a negative port": v1("TCP4 192.0.2.7 198.51.100.1 -1 443"),
    "v1 with the other family": v1("TCP4 2001:db8::7 2001:db8::1 1 443"),
    "v1 with mixed families": v1("TCP6 2001:db8::7 198.51.100.1 1 443"),
    "v1 with a zone": v1("TCP6 fe80::1%eth0 fe80::2 1 443"),
    "v1 with a word more": v1("TCP4 192.0.2.7 198.51.100.1 1 443 5"),
    "v1 with a word less": v1("TCP4 192.0.2.7 198.51.100.1 10000"),
    "v1 of 108 bytes": v1("UNKNOWN " + "x" * 92),
    "v1 without end": b"PROXY UNKNOWN " + b"x" * 200,
    "v1 with CR inside": b"PROXY UNKNOWN a\rb\r\n",
    "v1 unknown glued": v1("UNKNOWNS"),
    "v2 of version 1": v2_tcp4(command=0x11),
    "v2 of version 3": v2_tcp4(command=0x31),
    "v2 of an unknown command": v2_tcp4(command=0x22),
    "v2 of UDP": v2(0x12, bytes(12)),
    "v2 of an unknown family": v2(0x41, bytes(12)),
    "v2 too short for IPv4": v2(0x11, bytes(11)),
    "v2 too short for IPv6": v2(0x21, bytes(35)),
    "v2 of 537 bytes": v2_tcp4(tlvs=bytes(509)),
    "v2 that says 65535": v2(0x11, bytes(12), length=65535),
}


def read(stream: bytes, piece: int = 10_000) -> tuple[tuple[str, int] | None, bytes]:
    """The source of a stream that comes in pieces, and what was left of it. EOFError where the header is not whole."""
    data, at = bytearray(), 0
    while wanted := bytes_wanted(data):
        got = stream[at : at + min(wanted, piece)]
        if not got:
            raise EOFError
        data += got
        at += len(got)
    return parse_header(data), stream[at:]


@pytest.mark.parametrize(("header", "source"), VALID.values(), ids=VALID)
def test_a_header_tells_whose_connection_it_is(header: bytes, source: object) -> None:
    assert source == read(header)[0]


@pytest.mark.parametrize(("header", "source"), VALID.values(), ids=VALID)
@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_not_a_byte_that_follows_a_header_is_taken(header: bytes, source: object, piece: int) -> None:
    assert (source, b"GET / HTTP/1.1\r\n") == read(header + b"GET / HTTP/1.1\r\n", piece)


@pytest.mark.parametrize("header", [header for header, _ in VALID.values()], ids=VALID)
def test_a_header_that_lacks_its_last_bytes_is_none_at_whichever_byte_it_ends(header: bytes) -> None:
    for size in range(len(header)):
        with pytest.raises(EOFError):
            read(header[:size])
        with pytest.raises(ProxyHeaderError):
            parse_header(header[:size])


@pytest.mark.parametrize("stream", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("piece", [1, 10_000])
def test_what_is_no_header_is_refused_before_it_ends(stream: bytes, piece: int) -> None:
    with pytest.raises(ProxyHeaderError):
        read(stream, piece)


@pytest.mark.parametrize("first", [b"G", b"p", b"\x16", b"\x00", b"\n"])
def test_a_first_byte_that_no_header_has_is_enough(first: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        bytes_wanted(first)


@given(st.binary(max_size=700) | st.binary(max_size=600).map(lambda body: SIGNATURE + body) | st.binary(max_size=200).map(lambda body: b"PROXY " + body))
def test_whatever_comes_is_an_address_nobody_or_an_error_within_536_bytes(stream: bytes) -> None:
    try:
        source, rest = read(stream)
    except (ProxyHeaderError, EOFError):
        return
    assert len(stream) - len(rest) <= 536
    if source is not None:
        assert str(ip_address(source[0])) == source[0]
        assert 0 <= source[1] <= 65535


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=100))
def test_both_versions_tell_the_same_of_any_address(address: object, port: int, rest: bytes) -> None:
    text = str(address)
    six = ":" in text
    line = v1(f"TCP{6 if six else 4} {text} {text} {port} {port}")
    binary = v2_tcp6(text, port) if six else v2_tcp4(text, port)
    assert ((text, port), rest) == read(line + rest) == read(binary + rest)
    assert parse_networks([text])
