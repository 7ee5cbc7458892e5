from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue
from websockets.http11 import Request

from wsrouter.access.addresses import AddressPolicy, parse_networks
from wsrouter.access.origins import OriginPolicy
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Refusal
from wsrouter.routing.pattern import parse_pattern
from wsrouter.routing.router import Router
from wsrouter.wire.admission import Admission, Admitted
from wsrouter.wire.head import parse_ordinary

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
FIELDS = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


@dataclass
class Door:
    name: str
    origins: OriginPolicy
    door: None = None
    addresses: AddressPolicy | None = None
    endpoint: object = None


def make_admission(**arguments):
    routes = [("/echo", Door("echo", OriginPolicy())), ("/room/{room}", Door("room", OriginPolicy("*"))), ("/", Door("root", OriginPolicy()))]
    return Admission(Router([(parse_pattern(pattern), door) for pattern, door in routes]), **arguments)


def make_request(path="/echo", method="GET", protocol="HTTP/1.1", more=(), **changes):
    """A request that is let in, but for the changes: a field of None is left out, names with _ for -."""
    fields = {**FIELDS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return Request(path, Headers([*((name, value) for name, value in fields.items() if value is not None), *more]), method=method, protocol=protocol)


def decide(request, peer_ip="192.0.2.1", **arguments):
    return make_admission(**arguments).decide(request, peer_ip)


def refused(request, **arguments):
    answer = decide(request, **arguments)
    assert isinstance(answer, Refusal), "it was let in"
    return answer


def test_a_good_request_is_let_in_to_its_route_with_its_parameters():
    admitted = decide(make_request("/room/caf%C3%A9?x=y"))
    assert isinstance(admitted, Admitted)
    assert ("room", "/room/café", {"room": "café"}, "192.0.2.1") == (admitted.gate.name, admitted.path, dict(admitted.params), admitted.client)


def test_an_ordinary_head_gets_the_same_decisions():
    def ordinary(path, host="example.com", origin="http://example.com"):
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: {origin}\r\n"
        request = parse_ordinary(f"{head}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        assert request is not None
        return request

    assert "echo" == decide(ordinary("/echo")).gate.name
    assert Reason.MALFORMED is refused(ordinary("/a//b")).reason
    assert Reason.MALFORMED is refused(ordinary("/a", host="b^c")).reason
    assert Reason.HOST is refused(ordinary("/echo"), hosts=["other.example"]).reason
    assert Reason.NO_ROUTE is refused(ordinary("/nowhere")).reason
    assert Reason.ORIGIN is refused(ordinary("/echo", origin="http://evil.example")).reason
    assert Reason.MALFORMED is refused(ordinary("/a//b", host="b"), hosts=["other.example"]).reason


ORDER = [
    (Reason.MALFORMED, {"path": "/nowhere\x1b"}),
    (Reason.METHOD, {"method": "POST"}),
    (Reason.HTTP_VERSION, {"protocol": "HTTP/1.0"}),
    (Reason.NOT_WEBSOCKET, {"Upgrade": "h2c"}),
    (Reason.WS_VERSION, {"Sec_WebSocket_Version": "12"}),
    (Reason.HOST, {"Host": "evil.example"}),
    (Reason.NO_ROUTE, {"path": "/nowhere"}),
    (Reason.ORIGIN, {"Origin": "https://evil.example.org"}),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_of_several_things_that_are_wrong_the_first_in_the_order_of_the_design_is_told(first):
    wrong = {}
    for _, change in reversed(ORDER[first:]):
        wrong.update(change)
    assert ORDER[first][0] is refused(make_request(**wrong), hosts=["example.com"]).reason


def test_the_reasons_are_in_the_order_of_the_list():
    listed = list(Reason)
    assert sorted((reason for reason, _ in ORDER), key=listed.index) == [reason for reason, _ in ORDER]


@pytest.mark.parametrize(
    "changes, detail",
    [
        ({"Host": None}, "no Host header"),
        ({"Host": ""}, "more than one Host header|no Host|names no host"),
        ({"more": [("Host", "b")]}, "more than one Host header"),
        ({"Host": "a b"}, "names no host"),
        ({"Host": "a/b"}, "names no host"),
        ({"Host": "user@a"}, "names no host"),
        ({"Host": "a:99999"}, "names no host"),
        ({"more": [("X-A", "a\x85Evil: 1")]}, "control byte in the header X-A"),
        ({"more": [("Origin", "http://a"), ("Origin", "http://b")]}, "more than one Origin"),
        ({"path": "*"}, "not a path"),
        ({"path": "http://example.com/echo"}, "not a path"),
        ({"path": ""}, "not a path"),
        ({"path": "/a#b"}, "fragment"),
        ({"path": "/a\\b"}, "backslash"),
        ({"path": "//echo"}, "empty segment"),
        ({"path": "/a\rX-Evil: 1"}, "printable ASCII"),
        ({"path": "/%00"}, "control character"),
        ({"path": "/room/a%2Fb"}, "encoded slash"),
        ({"path": "/room/%zz"}, "hexadecimal"),
        ({"path": "/room/%ff"}, "UTF-8"),
    ],
)
def test_what_is_malformed_is_told_with_what_was_seen(changes, detail):
    refusal = refused(make_request(**changes))
    assert Reason.MALFORMED is refusal.reason
    assert any(part in refusal.detail for part in detail.split("|")), refusal.detail


@given(st.integers(0, 255))
def test_of_all_bytes_only_printable_ascii_may_stand_in_a_path_or_a_header(code):
    char = chr(code)
    in_path = decide(make_request(f"/room/{char}x"))
    if not 0x21 <= code <= 0x7E or char in "#\\":
        assert isinstance(in_path, Refusal) and Reason.MALFORMED is in_path.reason
    elif char not in "%/?":
        assert isinstance(in_path, Admitted)
    try:
        in_header = decide(make_request(more=[("X-A", f"a{char}b")]))
    except InvalidHeaderValue:  # the library refuses some of them when it reads the head
        in_header = Refusal(Reason.MALFORMED)
    assert isinstance(in_header, Refusal) == ((code < 0x20 and char != "\t") or 0x7F <= code <= 0x9F)


@pytest.mark.parametrize("method", ["POST", "HEAD", "CONNECT", "OPTIONS", "get"])
def test_another_method_is_told_which_one_is_allowed(method):
    refusal = refused(make_request(method=method))
    assert (Reason.METHOD, (("Allow", "GET"),)) == (refusal.reason, refusal.headers)


def test_http_1_0_is_told_with_the_cure_for_nginx():
    refusal = refused(make_request(protocol="HTTP/1.0"))
    assert (Reason.HTTP_VERSION, "behind nginx: proxy_http_version 1.1") == (refusal.reason, refusal.fix)


@pytest.mark.parametrize(
    "changes",
    [{"Upgrade": None}, {"Upgrade": "h2c"}, {"Connection": None}, {"Connection": "keep-alive"}, {"Upgrade": None, "Connection": "keep-alive"}],
)
def test_a_plain_request_is_told_what_this_server_speaks(changes):
    refusal = refused(make_request(**changes))
    assert Reason.NOT_WEBSOCKET is refusal.reason
    assert {("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")} == set(refusal.headers)


@pytest.mark.parametrize("connection", ["upgrade", "Upgrade", "keep-alive, Upgrade", "keep-alive,UPGRADE ,x"])
def test_connection_and_upgrade_are_lists_in_any_case(connection):
    assert isinstance(decide(make_request(Connection=connection, Upgrade="WebSocket")), Admitted)


@pytest.mark.parametrize("version", [None, "12", "8", "13, 8", "014"])
def test_another_version_is_told_which_one_is_spoken(version):
    refusal = refused(make_request(Sec_WebSocket_Version=version))
    assert Reason.WS_VERSION is refusal.reason
    assert ("Sec-WebSocket-Version", "13") in refusal.headers


def test_two_version_headers_are_refused():
    assert Reason.WS_VERSION is refused(make_request(more=[("Sec-WebSocket-Version", "13")])).reason


def test_hosts_admit_in_any_case_with_any_port_where_none_is_named():
    for host in ("example.com", "EXAMPLE.com:8765", "example.com."):
        assert isinstance(decide(make_request(Host=host), hosts=["example.com"]), Admitted)
    refusal = refused(make_request(Host="evil.example"), hosts=["example.com"])
    assert (Reason.HOST, "add it to server.hosts if it is yours") == (refusal.reason, refusal.fix)


def test_a_path_without_a_route_is_told_with_the_nearest_one():
    assert "the nearest route is /echo" == refused(make_request("/echo/")).fix
    assert Reason.NO_ROUTE is refused(make_request("/quite/another/thing")).reason


@pytest.mark.parametrize(
    "origin, admitted",
    [
        (None, True),
        ("http://example.com", True),
        ("https://example.com", False),  # port 443, where Host says 80 or the scheme's
        ("http://example.com:8080", False),
        ("http://example.com.evil.org", False),
        ("http://EXAMPLE.com", True),
        ("null", False),
        ("", False),
    ],
)
def test_by_default_only_pages_of_the_same_host_may_come(origin, admitted):
    answer = decide(make_request(Origin=origin, Host="example.com:80"))
    assert admitted == isinstance(answer, Admitted)


def test_a_refused_origin_is_told_with_the_line_that_would_admit_it():
    assert 'origins: [same-host, "null"]' == refused(make_request(Origin="null")).fix
    assert isinstance(decide(make_request("/room/a", Origin="https://anywhere.example")), Admitted)


def test_a_trusted_proxy_tells_the_client_and_nobody_else_does():
    request = make_request(X_Forwarded_For="203.0.113.7")
    trusted = parse_networks(["10.0.0.0/8"])
    assert "203.0.113.7" == decide(request, "10.1.2.3", trusted=trusted).client
    assert "192.0.2.1" == decide(request, "192.0.2.1", trusted=trusted).client
    assert "10.1.2.3" == decide(request, "10.1.2.3").client
