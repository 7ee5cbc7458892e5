from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wsrouter.wire.head import HeaderView, fields, find_field, head_end, ordinary_response, parse_ordinary, target, to_request, to_response

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
LINES = ["Host: a", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"]


def to_head(*lines, request="GET /echo HTTP/1.1"):
    return "\r\n".join([request, *lines, "", ""]).encode("latin-1")


def test_the_end_of_a_head_is_behind_its_blank_line():
    head = to_head(*LINES)
    assert len(head) == head_end(head) == head_end(head + b"\r\n\r\n") == head_end(bytearray(head) + b"GET")
    assert all(head_end(head[:size]) == -1 for size in range(len(head)))


def test_fields_keep_their_order_and_lose_the_white_space_around_them():
    head = to_head("Host:a", "X-A: \t one  two \t", "x-a: three", "X-Empty:", "Caf\xe9: \xe9")
    assert [("Host", "a"), ("X-A", "one  two"), ("x-a", "three"), ("X-Empty", ""), ("Caf\xe9", "\xe9")] == list(fields(head))


def test_the_view_knows_names_in_any_case_and_of_a_repeated_one_the_first_value():
    view = HeaderView(to_head("Host: a", "X-A: one", "x-a: two"))
    assert ("one", "one", "a") == (view["x-A"], view.get("X-A"), view["HOST"])
    assert ["one", "two"] == view.get_all("x-a")
    assert "nothing" not in view
    assert {"host", "x-a"} == set(view)
    assert 2 == len(view)
    assert view.has_repeats
    assert not HeaderView(to_head(*LINES)).has_repeats


def test_one_field_is_found_without_parsing_all_and_not_within_another():
    head = to_head("X-Forwarded-Host: b", "hOST:  a ", "Host: c")
    assert "a" == find_field(head, b"host")
    assert find_field(head, b"upgrade") is None


def test_the_target_is_the_path_with_its_query():
    assert "/a?b=c%20d" == target(to_head(*LINES, request="GET /a?b=c%20d HTTP/1.1"))


def test_the_kept_head_becomes_the_request_that_the_library_had_read():
    head = to_head(*LINES, "X-A: 1", "X-A: 2", request="GET /a?b=c HTTP/1.1")
    ours, theirs = to_request(head), parse_with_library(head)[1]
    assert (theirs.path, list(theirs.headers.raw_items())) == (ours.path, list(ours.headers.raw_items()))


def test_the_kept_answer_becomes_a_response():
    response = to_response(ordinary_response(parse_ordinary(to_head(*LINES))))
    assert (101, "Switching Protocols", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == (
        response.status_code,
        response.reason_phrase,
        response.headers["sec-websocket-accept"],
    )


# The fast lane for heads, held against the library.


def parse_with_library(head):
    protocol = ServerProtocol()
    protocol.receive_data(head)
    events = protocol.events_received()
    return protocol, events[0] if events else None


def assert_the_library_agrees(head):
    """What the fast lane takes, the library accepts with the same answer; and nothing is pending behind it."""
    ordinary = parse_ordinary(head)
    if ordinary is None:
        return False
    protocol, request = parse_with_library(head)
    assert isinstance(request, Request)
    assert (request.method, request.protocol, request.path) == ("GET", "HTTP/1.1", ordinary.path)
    assert [(name, value) for name, value in request.headers.raw_items()] == list(fields(head))
    response = protocol.accept(request)
    assert 101 == response.status_code
    del response.headers["Date"]
    assert ordinary_response(ordinary) == response.serialize()
    return True


def test_what_common_clients_send_takes_the_fast_lane():
    python = to_head(*LINES[:4], LINES[4], "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "User-Agent: Python/3.11 websockets/17.4")
    chromium = to_head(
        "Host: localhost:8765",
        "Connection: Upgrade",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        "Upgrade: websocket",
        "Origin: null",
        "Sec-WebSocket-Version: 13",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-GB,en;q=0.9",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    )
    assert assert_the_library_agrees(python)
    assert assert_the_library_agrees(chromium)


@pytest.mark.parametrize(
    "head",
    [
        to_head(*LINES, request="POST /echo HTTP/1.1"),
        to_head(*LINES, request="GET /echo HTTP/1.0"),
        to_head(*LINES, request="GET /a\rb HTTP/1.1"),
        to_head(*LINES, request="GET /\x1b[31m HTTP/1.1"),
        to_head(*LINES, request="GET http://a/ HTTP/1.1"),
        to_head(*LINES, request="GET /a b HTTP/1.1"),
        to_head(*LINES, "Host: b"),
        to_head(*LINES[1:]),
        to_head("Host:", *LINES[1:]),
        to_head(*LINES, "X-A: \x85"),
        to_head(*LINES, "X-A: a\rb"),
        to_head(*LINES, "X-A: a\nb"),
        to_head(*LINES, "X-A: \x00"),
        to_head(*LINES, "X A: 1"),
        to_head(*LINES, "X-A : 1"),
        to_head(*LINES, ": 1"),
        to_head(*LINES, " folded"),
        to_head(*LINES, "Content-Length: 5"),
        to_head(*LINES, "Content-Length: 0"),
        to_head(*LINES, "Transfer-Encoding: chunked"),
        to_head(*LINES, "Sec-WebSocket-Protocol: chat"),
        to_head(*LINES[:3], LINES[4]),
        to_head(*LINES[:3], "Sec-WebSocket-Key: c2hvcnQ=", LINES[4]),
        to_head(*LINES[:3], "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", LINES[4]),
        to_head(*LINES[:4], "Sec-WebSocket-Version: 12"),
        to_head(*LINES[:4]),
        to_head(LINES[0], "Connection: Upgrade", *LINES[3:]),
        to_head(LINES[0], "Upgrade: websocket", *LINES[3:]),
        to_head(*LINES, "X-A: " + "a" * 8192),
        to_head(*LINES, *(f"X-{number}: 1" for number in range(130))),
        to_head(*LINES, request="GET /" + "a" * 8192 + " HTTP/1.1"),
        b"\r\n\r\n",
        b"",
    ],
)
def test_whatever_is_unusual_or_wrong_gets_a_closer_look(head):
    assert parse_ordinary(head) is None


names = st.sampled_from(["Host", "host", "Origin", "X-A", "x-a", "Connection", "Upgrade", "Content-Length", "Cookie", "Sec-WebSocket-Version", "Bad Name", "É"])
values = st.one_of(
    st.sampled_from(["a", "Upgrade", "upgrade, x", "websocket", "13", "0", "chunked", KEY, "", "  a\t"]), st.text(st.characters(max_codepoint=255), max_size=8)
)


@given(
    st.permutations(LINES),
    st.lists(st.tuples(names, values).map(": ".join), max_size=4),
    st.lists(st.integers(0, 4), max_size=1),
    st.sampled_from(["GET /a HTTP/1.1", "GET /%20?x=y HTTP/1.1", "GET // HTTP/1.1", "GET /\x7f HTTP/1.1", "HEAD / HTTP/1.1"]),
)
def test_whatever_is_taken_the_library_accepts_with_the_same_answer(lines, more, left_out, request):
    kept = [line for index, line in enumerate(lines) if index not in left_out]
    assert_the_library_agrees(to_head(*kept, *more, request=request))


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3))
def test_a_head_with_changed_bytes_is_taken_only_where_the_library_agrees(changes):
    head = bytearray(to_head(*LINES))
    for index, byte in changes:
        head[index % len(head)] = byte
    assert_the_library_agrees(bytes(head))
