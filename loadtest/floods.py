"""What a client that floods costs the others, and the daemon: exit status 1 where a promise of docs/security.md is missed.

    python -m loadtest.floods           60 MB of pings, compressed bombs of 1 MiB, 20 MB of short messages: a minute
    python -m loadtest.floods pings     one of them; bomb is one message of 1 MiB that would be 1 GiB, dense many that would be 800 MiB in all

Another client asks an echo all the time, and how long it waits at the worst is measured, before the flood and in it.
Linux; everything is on 127.0.0.1, on two CPUs where there are two: the daemon has one, its clients the other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import select
import socket
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from loadtest.generator import FIN, PATIENCE_S, PING, TEXT, frame_bytes, masked_frame, read_exactly, read_head, request
from loadtest.processes import choose_cpus, peak_bytes, pin, run_site

SITE = "routes: {/echo: echo, /zip: {echo: {}, compression: true}}"
MIB = 1 << 20
PINGS_BYTES = 60_000_000
RSV1 = 0x40
QUIET_S = 2.0

MOST_MS = 50.0
MOST_BYTES = 5 * MIB


def pings(port: int) -> None:
    """60 MB of pings by one client that reads nothing; who is hung up on comes again."""
    flood = masked_frame(b"p" * 125, FIN | PING) * 4096
    sent = 0
    while sent < PINGS_BYTES:
        with _join(port, "/echo") as sock, suppress(OSError):
            sock.settimeout(2.0)
            while sent < PINGS_BYTES:
                sent += sock.send(flood)


def bomb(port: int) -> None:
    """A message of 1 MiB that would be 1 GiB."""
    with _join(port, "/zip", deflate=True) as sock, suppress(OSError):
        sock.sendall(masked_frame(_deflated(1024 * MIB), FIN | TEXT | RSV1))
        while sock.recv(1 << 16):
            pass


def dense(port: int) -> None:
    """A mebibyte of messages of 64 KiB each, inflated: each is allowed, together they would be 800 MiB."""
    frame = masked_frame(_deflated(64 * 1024), FIN | TEXT | RSV1)
    with _join(port, "/zip", deflate=True) as sock, suppress(OSError):
        sock.sendall(frame * (MIB // len(frame)) + masked_frame(b"all dealt with", FIN | PING))
        last = b""
        while b"all dealt with" not in last:
            data = sock.recv(1 << 18)
            if not data:
                sys.exit("the client of allowed messages was hung up on")
            last = last[-20:] + data


def messages(port: int) -> None:
    """20 MB of messages of 60 bytes, as fast as the echo takes them; the answers are read."""
    flood = masked_frame(b"m" * 60) * 1024
    left = whole = PINGS_BYTES // 3 // len(flood) * len(flood)
    answers = whole // (len(flood) // 1024) * frame_bytes(60)
    with _join(port, "/echo") as sock:
        sock.setblocking(False)
        while answers:
            readable, writable, _ = select.select([sock], [sock] if left else [], [], PATIENCE_S)
            if writable:
                at = (whole - left) % len(flood)
                left -= sock.send(flood[at:])
            if readable:
                got = len(sock.recv(1 << 18))
                if not got:
                    sys.exit("the client that floods was hung up on")
                answers -= got


FLOODS: dict[str, Callable[[int], None]] = {"pings": pings, "bomb": bomb, "dense": dense, "messages": messages}


def ask(port: int, pipe: Connection) -> None:
    """The other client, a process of its own: the worst wait since it was last asked, in ms, and how many there were."""
    sock = _join(port, "/echo")
    question, answer_bytes = masked_frame(b"?"), 3
    worst_s, count = 0.0, 0
    pipe.send(None)
    while True:
        begun = time.monotonic()
        sock.sendall(question)
        read_exactly(sock, answer_bytes)
        worst_s, count = max(worst_s, time.monotonic() - begun), count + 1
        if pipe.poll():
            pipe.recv()
            pipe.send((1000 * worst_s, count))
            worst_s, count = 0.0, 0
        time.sleep(0.001)


def measure(name: str, cpu: int | None) -> tuple[float, float, int, int]:
    """The worst wait of the other one without and in the flood, in ms; how many answers it had in it; the memory that it took."""
    with run_site(SITE, cpu) as server:
        ours, theirs = multiprocessing.Pipe()
        other = multiprocessing.Process(target=ask, args=(server.port, theirs), daemon=True)
        other.start()
        try:
            ours.recv()
            time.sleep(QUIET_S)
            quiet_ms, _ = _report(ours)
            before = peak_bytes(server.process.pid)
            FLOODS[name](server.port)
            worst_ms, count = _report(ours)
            return quiet_ms, worst_ms, count, peak_bytes(server.process.pid) - before
        finally:
            other.kill()
            other.join()


def _report(pipe: Connection) -> tuple[float, int]:
    pipe.send("?")
    worst_ms, count = pipe.recv()
    return worst_ms, count


def _join(port: int, path: str, *, deflate: bool = False) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    head = request(port, path)
    sock.sendall(head.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n") if deflate else head)
    read_head(sock)
    return sock


def _deflated(size: int) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(bytes(size)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.floods", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("flood", nargs="*", help=f"one or more of {', '.join(FLOODS)}; all without")
    parser.add_argument("--rounds", type=int, default=3, help="of which the worst counts (default: 3)")
    chosen = parser.parse_args(arguments)
    for name in chosen.flood:
        if name not in FLOODS:
            parser.error(f"no flood {name!r}; there are {', '.join(FLOODS)}")
    server_cpu, own_cpu = choose_cpus(os.sched_getaffinity(0))
    pin(os.getpid(), own_cpu)
    print(f"{'flood':8} {'quiet ms':>9} {'worst ms':>9} {'answers':>8} {'more MiB':>9}")
    missed = []
    for name in chosen.flood or FLOODS:
        for _ in range(chosen.rounds):
            quiet_ms, worst_ms, count, grown = measure(name, server_cpu)
            print(f"{name:8} {quiet_ms:9.1f} {worst_ms:9.1f} {count:8} {grown / MIB:9.1f}", flush=True)
            if worst_ms > MOST_MS:
                missed.append(f"{name}: another client waited {worst_ms:.1f} ms; at most {MOST_MS:g} are promised")
            if grown > MOST_BYTES:
                missed.append(f"{name}: {grown / MIB:.1f} MiB more in memory; at most {MOST_BYTES // MIB} are promised")
    for text in missed:
        print(f"MISSED {text}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
