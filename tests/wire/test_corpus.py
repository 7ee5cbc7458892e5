"""The regression corpus: malformed input to the real daemon, and what must be accepted. A healthy client is unharmed after each."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest

from support.client import connect
from support.daemon import run_daemon
from support.memory import peak_bytes
from support.raw import raw_client, request_head
from support.wire import BINARY, CONT, FIN, PING, PONG, RSV1, TEXT, close_codes, close_payload, frame, masked, split_frames

CASES = {case["id"]: case for case in json.loads((Path(__file__).parent.parent / "corpus" / "handshake-and-frames.json").read_text("utf-8"))}
LIMIT = 64 * 1024
MIB = 1024 * 1024
SITE = f"""
defaults: {{limits: {{message_size: {LIMIT // 1024}KiB}}}}
routes:
  /: echo
  /deflate: {{echo: {{}}, compression: true}}
"""

CLOSED = "closed"
"""Hung up without a byte."""

RAW = {
    "C01": {"426"},
    "C02": {"400"},
    "C03": {"400"},
    "C04": {"400"},
    "C05": {"400", CLOSED},
    "C06": {"400", CLOSED},
    "C07": {"400", CLOSED},
    "C08": {"404", "400"},
    "C09": {"400"},
}
FRAMES = {"C10": 1002, "C11": 1002, "C12": 1007, "C13": 1007, "C14": 1002, "C15": 1009, "C16": 1002, "C18": 1009, "C19": 1002}
VARIANTS = {
    "C11": [("b18000000000", 1002), ("838000000000", 1002), ("8b8000000000", 1002)],
    "C12": [("818300000000eda080", 1007), ("818200000000c080", 1007), ("818400000000f4908080", 1007)],
    "C14": [("89fe007e00000000" + "61" * 126, 1002)],
    "C16": [("808000000000", 1002)],
    "C18": [("82ff800000000000000000000000", 1009), (masked(BINARY, b"x" * (LIMIT + 1))[:14].hex(), 1009)],
    "C19": [("88810000000003", 1002), ("88820000000003e7", 1002), ("8882000000001388", 1002), ("88840000000003e8c328", 1007)],
}
CAUSES = {1002: "protocol_error", 1007: "invalid_text", 1009: "too_big"}


def bomb(size_bytes):
    """That many zero bytes as one compressed message."""
    compressor = zlib.compressobj(9, wbits=-15)
    payload = compressor.compress(bytes(size_bytes)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return masked(BINARY, payload[:-4], flags=FIN | RSV1)


DEFLATED = [
    ("C20", bytes.fromhex(CASES["C20"]["hex"]), 1002),
    ("C20 garbage", bytes.fromhex("c18400000000ffffffff"), 1002),
    ("C20 ping", bytes.fromhex("c98000000000"), 1002),
    ("C20 bomb of 2 MiB", bomb(2 * MIB), 1009),
    ("C20 bomb of 64 MiB", bomb(64 * MIB), 1009),
]


def bytes_of(case):
    if case == "C15":
        return bytes.fromhex("018000000000") + bytes.fromhex("008000000000") * 5000
    return bytes.fromhex(CASES[case]["hex"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with run_daemon(SITE, tmp_path_factory.mktemp("corpus")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def healthy(server):
    """A client that is there all the time."""
    with connect(server.url("/")) as client:
        yield client


@pytest.fixture(autouse=True)
def everybody_else_is_unharmed(server, healthy):
    """After each input: who was there still gets an echo, and so does who comes now; and the log is clean."""
    yield
    healthy.send("still here")
    assert "still here" == healthy.recv(timeout=5)
    with connect(server.url("/")) as newcomer:
        newcomer.send("hello")
        assert "hello" == newcomer.recv(timeout=5)
    assert [] == server.stray
    server.assert_no_traceback()
    for record in list(server.records):
        assert not re.search("[\x00-\x1f\x7f-\x9f]", "".join(texts_in(record))), record


def texts_in(value):
    """All texts of a record, as a reader of the log gets them."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from (name, *texts_in(each))
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    else:
        yield str(value)


def status_of(response):
    return response.split(b" ", 2)[1].decode() if response else CLOSED


def exchange(server, data):
    """Sends the first bytes of a connection; the whole answer, and the peer as records name it."""
    with raw_client(server.port) as client:
        client.send(data)
        return client.read_to_end(), client.address


def assert_refused(server, data, statuses):
    answer, peer = exchange(server, data)
    assert status_of(answer) in statuses
    record = server.wait_for("handshake.refused", peer=peer)
    assert not answer or status_of(answer) == str(record["status"])
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nconnection: close" in head
    assert b"\r\nserver:" not in head
    return answer, record


def assert_closed(server, data, code, path="/", *more):
    with raw_client(server.port) as client:
        client.upgrade(path, *more)
        client.send(data)
        answer = client.read_to_end()
        assert code == close_codes(answer)[-1] == int.from_bytes(split_frames(answer)[-1][1][:2], "big")
        address = client.address
    record = server.wait_for("connection.closed", peer=address)
    assert (code, CAUSES[code]) == (record["code"], record["cause"])
    assert 1 == len(server.find_records("connection.opened", peer=address)) == len(server.find_records("connection.closed", peer=address))
    return answer


def test_the_table_knows_every_case_of_the_file():
    assert set(CASES) == {*RAW, *FRAMES, "C17", "C20"}
    assert all(case["length"] == len(bytes_of(name)) for name, case in CASES.items())


@pytest.mark.parametrize("case", RAW)
def test_malformed_handshakes_are_refused(server, case):
    assert_refused(server, bytes_of(case), RAW[case])


def test_another_version_is_told_which_one_is_spoken(server):
    answer, _ = assert_refused(server, bytes_of("C01"), {"426"})
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer


def test_control_bytes_of_a_path_are_escaped_in_the_log(server):
    assert "/a\\x0dX-Evil:1" == assert_refused(server, bytes_of("C03"), {"400"})[1]["path"]
    assert "/\\x1b[31mred" == assert_refused(server, bytes_of("C04"), {"400"})[1]["path"]


@pytest.mark.parametrize(
    "head, status",
    [
        (request_head("/" + "a" * 9000), "414"),
        (request_head("/", "X-A: " + "a" * 9000), "431"),
        (request_head("/", *["X-A: a"] * 200), "431"),
    ],
    ids=["path", "header", "headers"],
)
def test_generated_what_is_too_long_is_refused(server, head, status):
    assert_refused(server, head, {status})


@pytest.mark.parametrize("case", FRAMES)
def test_malformed_frames_close_with_their_code(server, case):
    before = peak_bytes(server.process.pid)
    assert_closed(server, bytes_of(case), FRAMES[case])
    assert peak_bytes(server.process.pid) - before < 8 * MIB


@pytest.mark.parametrize("data, code", [variant for variants in VARIANTS.values() for variant in variants])
def test_variants_of_malformed_frames_close_with_their_code(server, data, code):
    assert_closed(server, bytes.fromhex(data), code)


@pytest.mark.parametrize("name, data, code", DEFLATED, ids=[name for name, _, _ in DEFLATED])
def test_malformed_compressed_frames_close_with_their_code_and_without_memory(server, name, data, code):
    before = peak_bytes(server.process.pid)
    assert_closed(server, data, code, "/deflate", "Sec-WebSocket-Extensions: permessage-deflate")
    assert peak_bytes(server.process.pid) - before < 8 * MIB


# Must be accepted.


def assert_answered(server, data, answer, path="/", *more):
    """The answer comes, the connection stays open, and nothing else was sent."""
    with raw_client(server.port) as client:
        client.upgrade(path, *more)
        client.send(data)
        assert answer == client.read_exactly(len(answer))
        client.assert_nothing_more()


def test_c17_a_length_in_more_bytes_than_it_needs_is_accepted(server):
    assert_answered(server, bytes_of("C17"), frame(TEXT, b"Hello"))


def test_p01_a_ping_between_fragments_is_legal(server):
    data = bytes.fromhex("0181000000006189800000000080810000000062")
    assert masked(TEXT, b"a", flags=0) + masked(PING) + masked(CONT, b"b") == data
    assert_answered(server, data, frame(PONG) + frame(TEXT, b"ab"))


def test_p02_a_frame_in_the_segment_of_the_handshake_is_echoed_behind_the_101(server):
    answer = frame(TEXT, b"Hello")
    with raw_client(server.port) as client:
        client.send(request_head("/") + bytes.fromhex("81850000000048656c6c6f"))
        head = client.read_head()
        assert head.startswith(b"HTTP/1.1 101 ") and b"server:" not in head.lower()
        assert answer == client.read_exactly(len(answer))
        client.assert_nothing_more()


def test_p03_the_last_character_of_unicode_is_echoed(server):
    assert_answered(server, bytes.fromhex("818400000000f48fbfbf"), frame(TEXT, "\U0010ffff".encode()))


def test_p04_an_empty_text_is_echoed_and_an_unsolicited_pong_is_not(server):
    assert_answered(server, bytes.fromhex("818000000000"), frame(TEXT))
    assert_answered(server, bytes.fromhex("8a8000000000"), b"")


@pytest.mark.parametrize("data, code", [("8882000000000bb8", 3000), ("8882000000001387", 4999)])
def test_p05_a_private_close_code_comes_back(server, data, code):
    with raw_client(server.port) as client:
        client.upgrade("/")
        client.send(bytes.fromhex(data))
        assert frame(0x8, close_payload(code)) == client.read_to_end()
    record = server.wait_for("connection.closed", peer=client.address)
    assert (code, "client_close") == (record["code"], record["cause"])


@pytest.mark.parametrize("data", ["c18000000000", "c18400000000cbc80400"])
def test_p06_an_empty_compressed_message_and_a_final_block_are_accepted(server, data):
    text = zlib.decompressobj(-15).decompress(bytes.fromhex(data)[6:] + b"\x00\x00\xff\xff")
    with raw_client(server.port) as client:
        client.upgrade("/deflate", "Sec-WebSocket-Extensions: permessage-deflate")
        client.send(bytes.fromhex(data))
        first, length = client.read_exactly(2)
        assert FIN | RSV1 | TEXT == first
        assert text == zlib.decompressobj(-15).decompress(client.read_exactly(length) + b"\x00\x00\xff\xff")
        client.assert_nothing_more()
