"""The load generator: its frames, and that it notices answers that are not what it counts on."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from loadtest.generator import CLOSE, FIN, TEXT, Accept, Echo, Fan, Idle, Load, UnexpectedAnswer, frame_bytes, masked_frame


def parsed(data: bytes) -> list:
    protocol = ServerProtocol(state=State.OPEN, max_size=1 << 20)
    protocol.receive_data(data)
    return protocol.events_received()


@contextmanager
def running(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that gives each connection to `serve` in turn, after the head of its request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # the listener is closed
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        head = b""
                        while not head.endswith(b"\r\n\r\n"):
                            head += sock.recv(4096)
                        serve(sock)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert not thread.is_alive()


@contextmanager
def loading(mode: type[Load], port: int) -> Iterator[Load]:
    with closing(mode(port, "/echo", 1, 1, 16)) as load:
        load.prepare()
        yield load


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_is_what_websockets_reads_and_its_answer_as_long_as_counted(size):
    (frame,) = parsed(masked_frame(b"a" * size))

    assert (Opcode.TEXT, True, b"a" * size) == (frame.opcode, frame.fin, bytes(frame.data))
    assert frame_bytes(size) == len(frame.serialize(mask=False))


def test_fragments_and_control_frames_are_made_by_their_first_byte():
    assert [(Opcode.TEXT, False)] == [(frame.opcode, frame.fin) for frame in parsed(masked_frame(b"in ", TEXT))]
    assert [Opcode.CLOSE] == [frame.opcode for frame in parsed(masked_frame(struct.pack("!H", 1000), FIN | CLOSE))]


@pytest.mark.parametrize("mode", [Echo, Accept])
def test_a_refusal_is_told(mode):
    with (
        running(lambda sock: sock.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")) as port,
        pytest.raises(UnexpectedAnswer, match="404"),
        loading(mode, port) as load,
    ):
        load.run(0)


def upgrade(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")


@pytest.mark.parametrize("mode", [Echo, Fan])
@pytest.mark.parametrize("answer", [b"", b"x" * 19])
def test_an_answer_of_another_length_is_told(mode, answer):
    def serve(sock: socket.socket) -> None:
        upgrade(sock)
        sock.recv(4096)
        sock.sendall(answer)

    with running(serve) as port, loading(mode, port) as load, pytest.raises(UnexpectedAnswer, match="hung up, or sent what was not asked for"):
        load.run(0)


def test_a_server_that_hangs_up_early_is_told():
    with running(upgrade) as port, loading(Idle, port) as load, pytest.raises((UnexpectedAnswer, ConnectionResetError)):
        load.run(0)


@pytest.mark.parametrize("mode", [Echo, Fan])
def test_a_run_counts_what_came_back(mode):
    def serve(sock: socket.socket) -> None:
        upgrade(sock)
        while sock.recv(4096):
            sock.sendall(b"x" * frame_bytes(16))

    with running(serve) as port, loading(mode, port) as load:
        assert load.run(0) == 1
        assert load.run(0.02) > 1
