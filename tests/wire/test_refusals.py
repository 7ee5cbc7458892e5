from http import HTTPStatus

import pytest

from wsrouter.api.causes import Reason
from wsrouter.api.ports import Refusal
from wsrouter.wire.negotiation import parse_head
from wsrouter.wire.refusals import close_code, close_refusal, http_refusal, may_be_http, refuse_foreign, refuse_unparsed


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_whole_response_that_ends_the_connection(reason):
    head, body = http_refusal(Refusal(reason)).split(b"\r\n\r\n")
    status = HTTPStatus(reason.status)

    assert head.startswith(f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode())
    assert b"\r\nConnection: close" in head
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head
    assert b"\r\nServer:" not in head
    assert (b"\r\nRetry-After: " in head) == (reason.status in {429, 503})


def test_the_headers_of_a_refusal_are_sent():
    assert b"\r\nWWW-Authenticate: Bearer\r\n" in http_refusal(Refusal(Reason.UNAUTHENTICATED, headers=(("WWW-Authenticate", "Bearer"),)))


@pytest.mark.parametrize("status, code", [(401, 4401), (403, 4403), (429, 4429), (500, 1011), (503, 1013)])
def test_a_status_has_its_close_code(status, code):
    assert close_code(status) == code


def test_a_close_frame_carries_code_and_reason():
    assert close_refusal(Refusal(Reason.FORBIDDEN)) == b"\x88\x0b\x11\x33forbidden"


@pytest.mark.parametrize(
    "data, detail, fix",
    [
        (b"\x16\x03\x01", "TLS on a plain listener", "ws://"),
        (b"\r\n\r\n\x00\r\nQUIT\n", "a PROXY header on a listener without", "proxy_protocol"),
        (b"\x00\x01", "not HTTP", ""),
    ],
)
def test_what_is_no_http_is_told_by_its_first_bytes(data, detail, fix):
    refusal = refuse_foreign(data)

    assert not may_be_http(data)
    assert (Reason.MALFORMED, detail) == (refusal.reason, refusal.detail)
    assert fix in refusal.fix


@pytest.mark.parametrize(
    "head, reason, detail",
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n\r\n", Reason.MALFORMED, "a PROXY header on a listener without"),
        (b"GET /" + 9000 * b"x" + b" HTTP/1.1\r\n\r\n", Reason.PATH_TOO_LONG, ""),
        (b"GET / HTTP/1.1\r\nA: " + 9000 * b"x" + b"\r\n\r\n", Reason.HEADERS_TOO_LARGE, ""),
        (b"GET / HTTP/1.1\r\n" + 200 * b"A: b\r\n" + b"\r\n", Reason.HEADERS_TOO_LARGE, ""),
        (b"GET /\r\n\r\n", Reason.MALFORMED, "invalid HTTP request line: GET /"),
    ],
)
def test_what_the_library_cannot_parse_is_told(head, reason, detail):
    assert may_be_http(head)
    refusal = refuse_unparsed(parse_head(head)[0], head)
    assert (reason, detail) == (refusal.reason, refusal.detail)
