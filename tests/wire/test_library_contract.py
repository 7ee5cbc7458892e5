"""What wsrouter relies on in `websockets` beyond its documentation. When an upgrade breaks one of these, the test's name says what
to look at; the file that relies on it stands in its comment."""

from __future__ import annotations

import logging
from inspect import signature
from typing import Any

import pytest
from websockets.asyncio.connection import Connection
from websockets.asyncio.messages import MAX_FRAGMENTS
from websockets.asyncio.server import broadcast
from websockets.exceptions import HeaderLineTooLong, NegotiationError, PayloadTooBig, ProtocolError, RequestLineTooLong, TooManyHeaders
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import OK_CLOSE_CODES, Close, Frame, Opcode, apply_mask
from websockets.http11 import Request
from websockets.protocol import OPEN, SEND_EOF, State
from websockets.server import ServerProtocol

from support.wire import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, TEXT, close_payload, frame, masked
from wsrouter.wire import inbox, slow_lane
from wsrouter.wire.negotiation import HandshakeProtocol

HEAD = (
    b"GET /path?query HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
)


def open_protocol(**arguments: Any) -> ServerProtocol:
    return ServerProtocol(state=State.OPEN, **arguments)


def fed(*data: bytes, **arguments: Any) -> ServerProtocol:
    protocol = open_protocol(**arguments)
    for each in data:
        protocol.receive_data(each)
    return protocol


def frames_of(protocol: ServerProtocol) -> list[tuple[Opcode, bytes, bool]]:
    return [(event.opcode, bytes(event.data), event.fin) for event in protocol.events_received() if isinstance(event, Frame)]


# wire/slow_lane.py: a protocol in the middle of a connection.


def test_a_server_protocol_made_open_takes_frames_at_once():
    protocol = fed(masked(TEXT, b"hi"), masked(BINARY, b"\0", flags=0), masked(CONT, b"\1"))
    assert [(Opcode.TEXT, b"hi", True), (Opcode.BINARY, b"\0", False), (Opcode.CONT, b"\1", True)] == frames_of(protocol)
    assert [] == protocol.data_to_send()
    assert (State.OPEN, False, None, None, None) == (protocol.state, protocol.eof_sent, protocol.close_rcvd, protocol.close_sent, protocol.parser_exc)


def test_fragments_are_not_put_together_and_text_is_not_decoded():
    assert [(Opcode.TEXT, b"\xff", True)] == frames_of(fed(masked(TEXT, b"\xff")))


def test_pings_are_answered_and_handed_on():
    protocol = fed(masked(PING, b"p"), masked(PONG, b"q"))
    assert [(Opcode.PING, b"p", True), (Opcode.PONG, b"q", True)] == frames_of(protocol)
    assert [frame(PONG, b"p")] == protocol.data_to_send()


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (frame(TEXT, b"not masked")[:2], 1002),
        (masked(0x3)[:2], 1002),
        (masked(0xF)[:2], 1002),
        (masked(TEXT, b"x" * 200)[:4], 1009),
        (masked(BINARY, b"x" * 70_000)[:10], 1009),
    ],
    ids=["not masked", "opcode 3", "opcode 15", "16-bit length", "64-bit length"],
)
def test_a_frame_that_cannot_be_taken_fails_at_its_header(head, code):
    for end in range(len(head)):
        assert not fed(head[:end], max_size=100).eof_sent
    protocol = fed(head, max_size=100)
    assert (code, True) == (protocol.close_sent.code, protocol.eof_sent)
    assert isinstance(protocol.parser_exc, PayloadTooBig if code == 1009 else ProtocolError)


def test_the_limit_of_a_frame_is_what_the_fragments_before_it_have_left():
    protocol = fed(masked(BINARY, b"x" * 60, flags=0), max_size=100)
    protocol.receive_data(masked(CONT, b"y" * 41)[:2])
    assert 1009 == protocol.close_sent.code


@pytest.mark.parametrize("data", [masked(TEXT, b"", flags=FIN | RSV1), masked(CONT), masked(PING, flags=0), masked(PING, b"x" * 126)])
def test_other_frames_that_cannot_be_taken_fail_once_they_are_whole(data):
    assert 1002 == fed(data).close_sent.code


# wire/connection.py, wire/slow_lane.py: the end.


def test_the_end_of_the_stream_is_an_empty_write():
    assert b"" == SEND_EOF
    protocol = fed(masked(CLOSE, close_payload(1000, "bye")))
    assert [frame(CLOSE, close_payload(1000, "bye")), SEND_EOF] == protocol.data_to_send()
    assert protocol.eof_sent


def test_a_close_that_is_answered_is_sent_as_the_same_object_it_was_received_as():
    protocol = fed(masked(CLOSE, close_payload(4000, "mine")))
    assert protocol.close_sent is protocol.close_rcvd
    assert (True, 4000, "mine", State.CLOSING) == (protocol.close_rcvd_then_sent, protocol.close_rcvd.code, protocol.close_rcvd.reason, protocol.state)
    assert [Opcode.CLOSE] == [opcode for opcode, _, _ in frames_of(protocol)]


def test_a_close_without_a_code_is_1005_and_answered_so():
    protocol = fed(masked(CLOSE))
    assert (1005, 1005, [frame(CLOSE), SEND_EOF]) == (protocol.close_rcvd.code, protocol.close_sent.code, protocol.data_to_send())


def test_an_answer_to_our_close_is_told_apart():
    protocol = open_protocol()
    protocol.send_close(4001, "ours")
    protocol.receive_data(masked(CLOSE, close_payload(4001, "ours")))
    assert (False, True) == (protocol.close_rcvd_then_sent, protocol.eof_sent)
    assert protocol.close_rcvd is not protocol.close_sent


def test_a_bad_close_frame_is_answered_with_1002_or_1007_and_not_received():
    for payload, code in ((b"\x03", 1002), (close_payload(1005), 1002), (close_payload(1000) + b"\xff", 1007)):
        protocol = fed(masked(CLOSE, payload))
        assert (None, code) == (protocol.close_rcvd, protocol.close_sent.code)


def test_what_comes_after_the_end_is_discarded():
    protocol = fed(masked(CLOSE))
    protocol.events_received()
    protocol.receive_data(masked(TEXT, b"late") + b"\xff\xff\xff")
    assert [] == protocol.events_received()


def test_fail_sends_a_close_and_ends_the_stream():
    protocol = open_protocol()
    protocol.fail(1007, "why")
    assert [frame(CLOSE, close_payload(1007, "why")), SEND_EOF] == protocol.data_to_send()
    assert (1007, None, None, True) == (protocol.close_sent.code, protocol.close_rcvd, protocol.close_rcvd_then_sent, protocol.eof_sent)


def test_fail_after_our_close_only_ends_the_stream_and_keeps_the_code():
    protocol = open_protocol()
    protocol.send_close(4001)
    protocol.data_to_send()
    protocol.fail(1011)
    assert ([SEND_EOF], 4001) == (protocol.data_to_send(), protocol.close_sent.code)
    protocol.receive_data(masked(CLOSE, close_payload(4001)))
    assert protocol.close_rcvd is None


def test_a_close_within_a_fragmented_message_is_received_and_answered_with_1002():
    protocol = fed(masked(TEXT, b"a", flags=0), masked(CLOSE, close_payload(1000)))
    assert (1000, 1002, True) == (protocol.close_rcvd.code, protocol.close_sent.code, protocol.close_rcvd_then_sent)


# wire/handshake.py.


def test_the_head_alone_gives_the_request_and_no_answer():
    protocol = ServerProtocol()
    protocol.receive_data(HEAD % b"")
    [request] = protocol.events_received()
    assert isinstance(request, Request)
    assert ("/path?query", "example.com") == (request.path, request.headers["host"])
    assert [] == protocol.data_to_send()
    assert State.CONNECTING is protocol.state


def test_frames_that_are_fed_with_the_head_are_answered_before_the_101():
    protocol = ServerProtocol()
    protocol.receive_data(HEAD % b"" + masked(PING, b"p"))
    assert [frame(PONG, b"p")] == protocol.data_to_send()  # the reason to feed the head alone


def test_extensions_and_subprotocols_may_be_set_between_the_request_and_accept():
    protocol = HandshakeProtocol()
    protocol.receive_data(HEAD % b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: b, a\r\n")
    [request] = protocol.events_received()
    protocol.available_extensions = [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)]
    protocol.available_subprotocols = ["a", "b"]
    response = protocol.accept(request)
    assert (101, "a") == (response.status_code, response.headers["Sec-WebSocket-Protocol"])
    assert "server_no_context_takeover" in response.headers["Sec-WebSocket-Extensions"]
    protocol.send_response(response)
    assert (State.OPEN, "a", [PerMessageDeflate]) == (protocol.state, protocol.subprotocol, [type(each) for each in protocol.extensions])
    assert b"".join(protocol.data_to_send()).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")


def test_the_library_refuses_who_offers_no_known_subprotocol_and_our_protocol_does_not():
    for offer in ([], ["x"]):
        with pytest.raises(NegotiationError):
            ServerProtocol(subprotocols=["a"]).select_subprotocol(offer)
        ours = HandshakeProtocol()
        ours.available_subprotocols = ["a", "b"]
        assert ours.select_subprotocol(offer) is None
        assert "a" == ours.select_subprotocol([*offer, "b", "a"])


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\n\r\n", RequestLineTooLong),
        (HEAD % (b"X: " + b"x" * 8192 + b"\r\n"), HeaderLineTooLong),
        (HEAD % (b"X: x\r\n" * 128), TooManyHeaders),
    ],
    ids=["request line", "header line", "headers"],
)
def test_heads_that_are_too_large_are_told_apart(head, error):
    protocol = ServerProtocol()
    protocol.receive_data(head)
    assert [] == protocol.events_received()
    assert isinstance(protocol.handshake_exc, error)


# wire/frames.py, wire/fragments.py, wire/inbox.py.


def test_apply_mask_takes_bytes_and_gives_bytes():
    assert b"hi" == apply_mask(bytes(byte ^ key for byte, key in zip(b"hi", b"\1\2", strict=True)), b"\1\2\3\4")
    assert type(apply_mask(b"x" * 1000, b"\1\2\3\4")) is bytes


def test_a_message_may_have_4096_fragments():
    assert 4096 == MAX_FRAGMENTS == slow_lane.MAX_FRAGMENTS == inbox.MAX_FRAGMENTS


def test_reading_pauses_above_16_frames_and_goes_on_at_a_quarter():
    assert inbox.HIGH == signature(Connection).parameters["max_queue"].default
    assert inbox.LOW == inbox.HIGH // 4


def test_a_message_in_fragments_ends_with_an_empty_one():
    """See Connection.send: `send_continuation(b"", fin=True)` after the last item."""
    protocol = open_protocol()
    protocol.send_text(b"a", fin=False)
    protocol.send_continuation(b"", fin=True)
    assert [frame(TEXT, b"a", flags=0), frame(CONT)] == protocol.data_to_send()


# wire/compat.py.


class Touched:
    """Notes which attributes are asked for; those given in `values` are there."""

    def __init__(self, name: str, touched: list[str], **values: Any) -> None:
        self.__dict__.update(_name=name, _touched=touched, _values=values)

    def __getattr__(self, attribute: str) -> Any:
        self._touched.append(f"{self._name}{attribute}")
        return self._values[attribute]


def touched_by_broadcast(message: Any, **values: Any) -> list[str]:
    touched: list[str] = []
    protocol = Touched("protocol.", touched, state=values.pop("state", OPEN), send_text=lambda data: None, send_binary=lambda data: None)
    connection = Touched("", touched, **{"protocol": protocol, "send_in_progress": None, "send_data": lambda: None, "logger": logging.getLogger("x"), **values})
    broadcast([connection], message)
    return [each for each in touched if each != "protocol"]


def test_broadcast_touches_no_more_of_a_connection_than_we_have():
    assert ["protocol.state", "send_in_progress", "protocol.send_text", "send_data"] == touched_by_broadcast("text")
    assert ["protocol.state", "send_in_progress", "protocol.send_binary", "send_data"] == touched_by_broadcast(b"binary")
    assert ["protocol.state"] == touched_by_broadcast("text", state=State.CLOSING)
    assert ["protocol.state", "send_in_progress", "logger"] == touched_by_broadcast("text", send_in_progress=object())


def test_broadcast_hands_on_text_as_utf8():
    sent: list[bytes] = []
    protocol = Touched("", [], state=OPEN, send_text=sent.append)
    broadcast([Touched("", [], protocol=protocol, send_in_progress=None, send_data=lambda: None)], "é")
    assert ["é".encode()] == sent


def test_a_normal_end_is_1000_1001_or_none():
    assert {1000, 1001, 1005} == set(OK_CLOSE_CODES)


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_close_refuses_codes_that_may_not_be_sent(code):
    with pytest.raises(ProtocolError, match="invalid status code"):
        Close(code, "").serialize()


def test_the_public_interface_of_a_connection_is_what_we_have_gone_through():
    """A name that is new here is to be added to `compat.WebSocket`, or to be left out on purpose."""
    internal = {
        "acknowledge_pings",
        "close_exc",
        "connection_lost",
        "connection_made",
        "data_received",
        "drain",
        "eof_received",
        "keepalive",
        "pause_writing",
        "process_event",
        "resume_writing",
        "send_context",
        "send_data",
        "set_connection_exc",
        "start_keepalive",
        "terminate_pending_pings",
    }
    from wsrouter.wire.compat import WebSocket

    public = {name for name in dir(Connection) if not name.startswith("_")} - internal
    assert public <= {name for name in dir(WebSocket) if not name.startswith("_")}


@pytest.mark.parametrize("name", ["recv", "recv_streaming", "send", "close", "ping", "pong", "wait_closed"])
def test_our_methods_take_what_the_librarys_take(name):
    from wsrouter.wire.compat import WebSocket

    def shape(function: Any) -> list[tuple[str, object, object]]:
        return [(parameter.name, parameter.kind, parameter.default) for parameter in signature(function).parameters.values()]

    assert shape(getattr(Connection, name)) == shape(getattr(WebSocket, name))
