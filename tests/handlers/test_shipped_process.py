"""The site that ships with wsrouter, served by the real daemon: every handler and every plugin of it, as a client sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.client import connect
from support.daemon import ROOT, Daemon, run_daemon


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with run_daemon(ROOT / "config" / "site.yaml", tmp_path_factory.mktemp("shipped"), args=["--listen", "127.0.0.1:0"]) as daemon:
        yield daemon
        assert not daemon.find_records("handler.failed")


def test_echo_gives_back_text_and_binary(shipped: Daemon) -> None:
    with connect(shipped.url("/echo")) as client:
        for message in ("bonjour", b"\x00\xff", ""):
            client.send(message)
            assert client.recv() == message


def test_the_clock_ticks_the_same_for_all_who_listen(shipped: Daemon) -> None:
    with connect(shipped.url("/clock")) as one, connect(shipped.url("/clock")) as other:
        first = one.recv(timeout=5)
        assert other.recv(timeout=5) == first
    tick = json.loads(first)
    assert (tick["type"], tick["n"]) == ("tick", 1)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(tick["at"])) < timedelta(seconds=10)


def test_a_room_hears_what_is_said_and_what_is_shouted_and_newcomers_hear_it_later(shipped: Daemon) -> None:
    with connect(shipped.url("/room/a")) as member, connect(shipped.url("/room/b")) as elsewhere, connect(shipped.url("/shout/a")) as shouter:
        member.send("hello")
        assert member.recv() == "hello"
        shouter.send('{"text": "hey"}')
        assert member.recv() == "HEY?"
        with connect(shipped.url("/room/a")) as newcomer:
            assert [newcomer.recv(), newcomer.recv()] == ["hello", "HEY?"]
        elsewhere.send("alone")
        assert elsewhere.recv() == "alone"


def test_hello_receives_prints_answers_and_closes(shipped: Daemon) -> None:
    with connect(shipped.url("/hello")) as client:
        client.send("Jean à l'appareil")
        assert list(client) == ["Message bien reçu"]
    assert shipped.wait_for_output("Jean à l'appareil")


def test_prices_come_by_themselves_and_are_the_same_for_all(shipped: Daemon) -> None:
    with connect(shipped.url("/prices")) as one:
        first = [json.loads(one.recv(timeout=5)) for _ in range(3)]
        with connect(shipped.url("/prices")) as other:
            assert one.recv(timeout=5) == other.recv(timeout=5)
    assert [price["symbol"] for price in first] == ["ACME", "GLOBEX", "INITECH"]


def test_conversation_asks_while_it_listens(shipped: Daemon) -> None:
    with connect(shipped.url("/conversation")) as client:
        assert client.recv() == "Are you still there?"
        client.send("yes")
        assert client.recv() == "Thank you for: 'yes'"


def test_the_line_names_every_route_and_the_site(shipped: Daemon) -> None:
    line = shipped.wait_for("listening")
    assert (line["routes"], Path(line["site"])) == (7, ROOT / "config" / "site.yaml")
