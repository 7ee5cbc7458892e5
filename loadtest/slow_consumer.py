"""What one subscriber that stops reading costs the others, and the daemon: exit status 1 where a promise of docs/limits.md is missed.

    python -m loadtest.slow_consumer                 every policy of `outbox.on_full`, about five minutes
    python -m loadtest.slow_consumer close latest    these
    python -m loadtest.slow_consumer --rounds 5      more rounds: by turns without and with the slow one, a new daemon each

100 subscribers, 5 MiB a second published in messages of 16 KiB. A delivery begins before the message is written, and ends when its last
byte is read. The slow one takes part in the beginning, then reads nothing more, at default settings but for the policy.
Linux; everything is on 127.0.0.1, on two CPUs where there are two: the daemon has one, its clients the other.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import statistics
import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from loadtest.generator import PATIENCE_S, frame_bytes, masked_frame, read_head, request
from loadtest.processes import choose_cpus, peak_bytes, pin, run_site

POLICIES = {"close": "close", "drop_oldest": "drop_oldest", "drop_newest": "drop_newest", "latest": "{latest: message.symbol}"}
SITE = "routes: {{/feed: {{broadcast: {{to_sender: false}}, outbox: {{size: 1MiB, on_full: {policy}}}}}}}"
SUBSCRIBERS = 100
SIZE = 16 * 1024
RATE_BYTES = 5 << 20
WARM_UP_S, LEAST_S = 1.5, 6.0

MOST_S = 15.0
MOST_BYTES = (1 + 5) << 20
MOST_RATIO = 1.2


@dataclass
class Run:
    """What one daemon and its subscribers went through."""

    p99_ms: float
    worst_ms: float
    grown_bytes: int
    ended_s: float
    """When the slow one was dealt with, from when it stopped reading; without one, how long the run was."""
    record: dict[str, object]


class Room:
    """A publisher and its subscribers, in one epoll loop that counts bytes: all messages have one length."""

    def __init__(self, port: int) -> None:
        self._publisher = _join(port)
        self._epoll = select.epoll()
        self._socks = [_join(port) for _ in range(SUBSCRIBERS)]
        self._read = dict.fromkeys((sock.fileno() for sock in self._socks), 0)
        self._sent_at = array("d")
        texts = [json.dumps({"symbol": f"S{number:02}", "pad": ""}) for number in range(16)]
        self._frames = [masked_frame(text.replace('""', f'"{"x" * (SIZE - len(text))}"').encode()) for text in texts]
        self.took_s = array("d")
        for sock in self._socks:
            sock.setblocking(False)
            self._epoll.register(sock, select.EPOLLIN)

    def stop_reading(self) -> None:
        """The first subscriber reads nothing from now on."""
        self._epoll.unregister(self._socks[0])

    def run(self, seconds: float) -> None:
        """Publishes and reads for so long; `took_s` has each delivery."""
        self.took_s = array("d")
        step_s, begun = SIZE / RATE_BYTES, time.monotonic()
        end = due = begun
        end += seconds
        while (now := time.monotonic()) < end:
            if now >= due:
                due += step_s
                self._sent_at.append(time.monotonic())
                self._publisher.sendall(self._frames[len(self._sent_at) % len(self._frames)])
            self._take()

    def close(self) -> None:
        """Closes all."""
        for sock in (self._publisher, *self._socks):
            sock.close()

    def _take(self) -> None:
        whole, sent_at, took = frame_bytes(SIZE), self._sent_at, self.took_s
        for fd, _ in self._epoll.poll(0):
            before = self._read[fd]
            data = os.read(fd, 1 << 18)
            if not data:
                sys.exit("a subscriber that reads was hung up on")
            self._read[fd] = after = before + len(data)
            now = time.monotonic()
            for number in range(before // whole, after // whole):
                took.append(now - sent_at[number])


def _join(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(request(port, "/feed"))
    read_head(sock)
    return sock


def measure(policy: str, cpu: int | None, seconds: float | None) -> Run:
    """One run: with a slow one until it is dealt with, at least `LEAST_S`; or without, for so many seconds."""
    with ExitStack() as stack:
        server = stack.enter_context(run_site(SITE.format(policy=POLICIES[policy]), cpu))
        room = Room(server.port)
        stack.callback(room.close)
        room.run(WARM_UP_S)
        before = peak_bytes(server.process.pid)
        deliveries = array("d")
        begun = time.monotonic()
        if seconds is None:
            room.stop_reading()
        ended_s, record = 0.0, dict[str, object]()
        while time.monotonic() - begun < (seconds or MOST_S + 5):
            room.run(0.25)
            deliveries.extend(room.took_s)
            if seconds is None and not ended_s and (found := server.records("connection.closed")):
                ended_s, record = time.monotonic() - begun, found[0]
            if ended_s and time.monotonic() - begun > LEAST_S:
                break
        grown = peak_bytes(server.process.pid) - before
        in_order = sorted(deliveries)
        p99_ms = 1000 * in_order[len(in_order) * 99 // 100]
        return Run(p99_ms, 1000 * in_order[-1], grown, ended_s or time.monotonic() - begun, record)


def compare(policy: str, cpu: int | None, rounds: int) -> list[str]:
    """Prints what a policy costs; what it misses."""
    with_it, without = list[Run](), list[Run]()
    for _ in range(rounds):
        with_it.append(measure(policy, cpu, None))
        without.append(measure(policy, cpu, max(LEAST_S, with_it[-1].ended_s)))
    p99_with, p99_without = (statistics.median(run.p99_ms for run in runs) for runs in (with_it, without))
    grown, dealt_s = max(run.grown_bytes for run in with_it), max(run.ended_s for run in with_it)
    print(
        f"{policy:12} {p99_without:8.2f} {p99_with:8.2f} {p99_with / p99_without:7.2f} {grown / (1 << 20):9.1f} {dealt_s:9.1f}   {_describe(with_it[-1].record)}",
        flush=True,
    )
    print(f"{'':12} each: without {_list(without)}, with {_list(with_it)}", flush=True)
    causes = {run.record.get("cause") for run in with_it}
    missed = [
        (p99_with / p99_without > MOST_RATIO, f"p99 is {p99_with / p99_without:.2f} times that without the slow one; at most {MOST_RATIO} is promised"),
        (grown > MOST_BYTES, f"{grown / (1 << 20):.1f} MiB more in memory; at most {MOST_BYTES >> 20} are promised"),
        (dealt_s > MOST_S, f"dealt with after {dealt_s:.1f} s; at most {MOST_S:g} are promised"),
        (causes != {"slow_consumer"}, f"closed for {causes}"),
    ]
    return [f"{policy}: {text}" for is_missed, text in missed if is_missed]


def _describe(record: dict[str, object]) -> str:
    return " ".join(f"{name}={record[name]}" for name in ("reason", "dropped_out", "waiting_bytes", "behind_s") if name in record)


def _list(runs: Sequence[Run]) -> str:
    return " ".join(f"{run.p99_ms:.2f}" for run in runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.slow_consumer", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("policy", nargs="*", help=f"one or more of {', '.join(POLICIES)}; all without")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default: 3)")
    chosen = parser.parse_args(arguments)
    policies = chosen.policy or list(POLICIES)
    for policy in policies:
        if policy not in POLICIES:
            parser.error(f"no policy {policy!r}; there are {', '.join(POLICIES)}")
    server_cpu, own_cpu = choose_cpus(os.sched_getaffinity(0))
    pin(os.getpid(), own_cpu)
    print(f"{'policy':12} {'p99 ms':>8} {'with':>8} {'ratio':>7} {'more MiB':>9} {'after s':>9}   the record of the slow one")
    missed = [text for policy in policies for text in compare(policy, server_cpu, chosen.rounds)]
    for text in missed:
        print(f"MISSED {text}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
