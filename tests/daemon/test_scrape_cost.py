"""What a scrape costs a daemon with 5,000 connections: no client waits for it."""

from __future__ import annotations

import http.client
import statistics
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from support.client import connect
from support.crowd import Crowd

CONNECTIONS = 5000
STALL_S = 0.010

# Asks the loop for a turn again and again, and tells since it was asked last: the longest wait for one, and the most processor time
# of the loop's thread in between, which does not count what the machine does besides.
WITNESS = """
import asyncio
import time
from wsrouter import Handler

class Witness(Handler[str]):
    def start(self, context):
        self.worst = self.busiest = 0.0
        context.spawn(self.watch(), "watch")

    async def watch(self):
        while True:
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.0005)
            self.worst = max(self.worst, time.perf_counter() - began - 0.0005)
            self.busiest = max(self.busiest, time.thread_time() - worked)

    def on_message(self, connection, message):
        answer = f"{self.worst} {self.busiest}"
        self.worst = self.busiest = 0.0
        return answer
"""

SITE = "admin: 127.0.0.1:0\nlog: {connections: none}\nroutes: {/witness: witness, /echo: echo, '/room/{room}': broadcast}\n"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_scrape_of_5000_connections_never_stalls_the_loop_for_10_ms(daemon, capsys):
    running = daemon(SITE, plugins={"witness.py": WITNESS})
    where = urlsplit(running.wait_for("admin.listening")["addresses"][0])
    crowd = Crowd(running.port)
    try:
        crowd.knock("/room/red", CONNECTIONS)
        with connect(running.url("/witness")) as witness, closing(http.client.HTTPConnection(where.hostname, where.port, timeout=30)) as scraper:
            waits: dict[str, list[float]] = {}
            works: dict[str, list[float]] = {}
            took: list[float] = []
            for what in ("first", *["nothing", "/metrics", "/status"] * 20):
                witness.send("")  # begins anew
                witness.recv(timeout=30)
                began = time.perf_counter()
                if what == "nothing":
                    time.sleep(0.03)
                else:
                    text = fetch(scraper, "/metrics" if what == "first" else what)
                    if what == "/metrics":
                        took.append(time.perf_counter() - began)
                        assert f'wsrouter_connections{{route="/room/{{room}}"}} {CONNECTIONS:.1f}' in text
                witness.send("")
                for figures, figure in zip((waits, works), witness.recv(timeout=30).split(), strict=True):
                    figures.setdefault(what, []).append(float(figure))
    finally:
        for member in crowd.members:
            member.close()
    told = {what: f"{1000 * statistics.median(waits[what]):.1f} ms late, at work for {1000 * max(works[what]):.1f} ms at most" for what in waits}
    with capsys.disabled():  # the figures of docs/metrics.md
        print(f"\nthe loop with {CONNECTIONS} connections: {told}; a scrape took {1000 * statistics.median(took):.1f} ms")  # noqa: T201

    assert {what: max(each) for what, each in works.items() if max(each) >= STALL_S} == {}
    assert {what: median for what, each in waits.items() if (median := statistics.median(each)) >= STALL_S} == {}


def fetch(scraper: http.client.HTTPConnection, path: str) -> str:
    """One answer on a connection that is kept."""
    scraper.request("GET", path)
    return scraper.getresponse().read().decode()
