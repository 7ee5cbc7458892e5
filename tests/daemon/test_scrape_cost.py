"""What a scrape costs a daemon with 5,000 connections: no client waits for it."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from support.client import connect
from support.crowd import Crowd

CONNECTIONS = 5000
STALL_S = 0.010

# Asks the loop for a turn again and again, and tells the longest wait for one since it was asked last.
WITNESS = """
import asyncio
import time
from wsrouter import Handler

class Witness(Handler[str]):
    def start(self, context):
        self.worst = 0.0
        context.spawn(self.watch(), "watch")

    async def watch(self):
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.0005)
            self.worst = max(self.worst, time.perf_counter() - began - 0.0005)

    def on_message(self, connection, message):
        worst, self.worst = self.worst, 0.0
        return str(worst)
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
            stalls: dict[str, list[float]] = {}
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
                stalls.setdefault(what, []).append(float(witness.recv(timeout=30)))
    finally:
        for member in crowd.members:
            member.close()
    figures = {what: {"median_ms": round(1000 * statistics.median(each), 2), "worst_ms": round(1000 * max(each), 2)} for what, each in stalls.items()}
    with capsys.disabled():
        print(f"\nhow late the loop was with {CONNECTIONS} connections: {json.dumps(figures)}; a scrape took {1000 * statistics.median(took):.1f} ms")

    # Of twenty each the second worst: one may have met the machine itself.
    assert sorted(stalls["/metrics"])[-2] < STALL_S
    assert sorted(stalls["/status"])[-2] < STALL_S


def fetch(scraper: http.client.HTTPConnection, path: str) -> str:
    """One answer on a connection that is kept."""
    scraper.request("GET", path)
    return scraper.getresponse().read().decode()
