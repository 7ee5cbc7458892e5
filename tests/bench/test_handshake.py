"""What servers answer to an upgrade, and how it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wsrouter.bench.handshake import ACCEPT, describe_close, judge, make_request

SWITCH = f"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n".encode()
REFUSAL = b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nno such route"


def test_the_library_accepts_the_request_and_its_answer_is_an_upgrade():
    server = ServerProtocol()
    server.receive_data(make_request("localhost:8765", "/echo?x=1", [("Origin", "http://localhost")]))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))

    assert ("/echo?x=1", "http://localhost") == (request.path, request.headers["Origin"])
    assert judge(b"".join(server.data_to_send())) == ""


ANSWERS = {
    "an upgrade": (SWITCH, ""),
    "an upgrade and a first message": (SWITCH + b"\x81\x02hi", ""),
    "another's upgrade": (SWITCH.replace(ACCEPT.encode(), b"x"), "101 without the right Sec-WebSocket-Accept"),
    "a refusal": (REFUSAL, "refused: 404 Not Found: no such route"),
    "a refusal that says no more than its number": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found", "refused: 404 Not Found"),
    "a refusal without a body": (b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", "refused: 429 Too Many Requests"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP answer to the upgrade"),
    "no number": (b"HTTP/1.1 ok\r\n\r\n", "no HTTP answer to the upgrade"),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_is_told_in_words(answer, expected):
    assert expected == judge(answer)


@given(st.integers(0, len(REFUSAL) - 1))
def test_a_part_of_a_refusal_is_not_judged_before_the_rest_has_come(size):
    assert judge(REFUSAL[:size]) is None


def test_what_a_server_said_before_it_hung_up_is_told():
    assert judge(REFUSAL[:-2], ended=True) == "refused: 404 Not Found: no such rou"
    assert judge(b"", ended=True) == "hung up before the upgrade"
    assert judge(b"HTTP/1.1 10", ended=True) == "no HTTP answer to the upgrade"


@given(st.binary(max_size=200))
def test_nothing_that_a_server_says_is_an_exception(answer):
    judge(answer)
    judge(b"HTTP/1.1 " + answer, ended=True)
    describe_close(answer)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (Close(1013, "full").serialize(), "closed by the server: 1013 (try again later) full"),
        (Close(4000, "").serialize(), "closed by the server: 4000"),
        (b"", "closed by the server: 1005 (no status code)"),
    ],
)
def test_a_close_is_told_by_code_name_and_reason(payload, expected):
    assert expected == describe_close(payload)
