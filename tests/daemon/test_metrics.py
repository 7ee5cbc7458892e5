"""The metrics of the real daemon: records by cause equal them, clients' words are not in them, and counters never go back."""

from __future__ import annotations

import http.client
import re
import socket
from collections import Counter
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.client import connect
from support.control import request, socket_of
from support.raw import request_head
from support.waiting import until
from wsrouter.api.causes import Reason
from wsrouter.observe.metrics import METRICS, PROCESS_METRICS

PLUGINS = {
    "fails.py": "from wsrouter import Handler\n\nclass Fails(Handler[str]):\n    def on_message(self, connection, message):\n        raise LookupError(message)\n"
}
SITE = """
admin: 127.0.0.1:0
routes:
  /echo: {echo: {}, limits: {message_size: 1KiB, message_rate: {rate: 1/s, burst: 3}, on_exceed: drop}}
  /fails: fails
  /room/{room}: broadcast
"""


def scrape(daemon):
    """The values by name and labels."""
    where = urlsplit(daemon.wait_for("admin.listening")["addresses"][0])
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def by_labels(values, name):
    """The values of one metric that are not zero."""
    return {tuple(value for _, value in labels): count for (each, labels), count in values.items() if each == name and count}


def series_but_sampled(values):
    """All series but the times of handlers: a message that happens to be timed makes those of its handler."""
    return {series for series in values if not series[0].startswith("wsrouter_handler_seconds")}


def test_records_by_cause_and_refusals_by_reason_equal_the_metrics(daemon):
    running = daemon(SITE, plugins=PLUGINS)
    for _ in range(3):
        with connect(running.url("/echo")):
            pass
    with connect(running.url("/echo")) as client:
        client.send("x" * 2000)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
    for _ in range(2):
        with connect(running.url("/fails")) as client:
            client.send("x")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=5)
    for path in ("/none", "/nothing", "/room/a/b"):
        with pytest.raises(InvalidStatus):
            connect(running.url(path)).__enter__()
    with pytest.raises(InvalidStatus):
        connect(running.url("/echo"), origin="http://evil.example").__enter__()
    running.wait_for("connection.closed", count=6)
    values = scrape(running)

    closed = Counter((record["cause"], record["route"]) for record in running.find_records("connection.closed"))
    assert by_labels(values, "wsrouter_connections_closed_total") == closed
    assert closed == {("client_close", "/echo"): 3, ("too_big", "/echo"): 1, ("handler_error", "/fails"): 2}
    assert by_labels(values, "wsrouter_connections_opened_total") == Counter((record["route"],) for record in running.find_records("connection.opened"))
    assert by_labels(values, "wsrouter_connection_duration_seconds_count") == Counter(
        (record["route"],) for record in running.find_records("connection.closed")
    )
    assert by_labels(values, "wsrouter_handshakes_refused_total") == Counter((record["reason"],) for record in running.find_records("handshake.refused"))
    assert by_labels(values, "wsrouter_handler_failures_total") == Counter(
        (record["handler"], record["route"]) for record in running.find_records("handler.failed")
    )


def test_messages_bytes_and_drops_are_the_sums_of_the_records_and_of_what_is_open(daemon):
    running = daemon(SITE, plugins=PLUGINS)
    for _ in range(2):
        with connect(running.url("/echo")) as client:
            for _ in range(5):
                client.send("hello")
            assert [client.recv(timeout=5) for _ in range(3)] == ["hello"] * 3
    running.wait_for("connection.closed", count=2)
    with connect(running.url("/echo")) as client:
        client.send("hello")
        client.recv(timeout=5)
        values = scrape(running)

    records = running.find_records("connection.closed")[:2]
    assert by_labels(values, "wsrouter_messages_received_total")["/echo",] == sum(record["messages_in"] for record in records) + 1
    assert by_labels(values, "wsrouter_messages_sent_total")["/echo",] == sum(record["messages_out"] for record in records) + 1
    assert by_labels(values, "wsrouter_received_bytes_total")["/echo",] == sum(record["bytes_in"] for record in records) + 11
    assert by_labels(values, "wsrouter_sent_bytes_total")["/echo",] == sum(record["bytes_out"] for record in records) + 7
    assert by_labels(values, "wsrouter_messages_dropped_total") == {("rate", "/echo"): sum(record["dropped_in"] for record in records)}
    assert sum(record["dropped_in"] for record in records) == 4


def test_no_word_of_a_client_is_in_the_metrics_and_they_do_not_grow_with_paths(daemon):
    running = daemon(SITE, plugins=PLUGINS)
    before = series_but_sampled(scrape(running))
    with ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(connect(running.url(f"/room/canary{number}?token=canary"), user_agent_header="canary", subprotocols=["canary"]))
        client.send("canary")
        client.recv(timeout=5)
        for number in range(20):
            with pytest.raises(InvalidStatus):
                connect(running.url(f"/canary{number}")).__enter__()
        running.wait_for("connection.opened", count=200)
        values = scrape(running)

    assert not any("canary" in str(labels) for labels in values)
    assert series_but_sampled(values) == before
    assert values["wsrouter_connections", (("route", "/room/{room}"),)] == 200


def test_all_of_the_table_is_there_with_its_types_and_nothing_else(daemon):
    running = daemon(SITE, plugins=PLUGINS)
    where = urlsplit(running.wait_for("admin.listening")["addresses"][0])
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()

    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert types == {metric.name: metric.type for metric in METRICS} | {name: kind for name, (kind, _) in PROCESS_METRICS.items()}
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    assert helps == {metric.name: metric.help for metric in METRICS} | {name: text for name, (_, text) in PROCESS_METRICS.items()}
    values = scrape(running)
    assert {labels[0][1] for name, labels in values if name == "wsrouter_handshakes_refused_total"} == {reason.value for reason in Reason}
    assert [value for (name, _), value in values.items() if name == "wsrouter_build_info"] == [1.0]


def test_reloads_are_counted_by_their_outcome(daemon, tmp_path):
    running = daemon(SITE, plugins=PLUGINS)
    site = socket_of(tmp_path / "site.yaml")
    first = scrape(running)
    assert first["wsrouter_config_last_reload_successful", ()] == 1.0
    request(site, command="reload")
    good = scrape(running)
    (tmp_path / "site.yaml").write_text("routes: {/echo: nothing}\n")
    request(site, command="reload")
    bad = scrape(running)

    stamp = "wsrouter_config_last_reload_success_timestamp_seconds", ()
    assert first[stamp] < good[stamp] == bad[stamp]
    assert bad["wsrouter_config_last_reload_successful", ()] == 0.0
    assert by_labels(bad, "wsrouter_reloads_total") == {("ok",): 1, ("failed",): 1}


def test_a_slow_consumer_is_counted_and_what_was_dropped_for_it_and_no_counter_goes_back(daemon, tmp_path):
    """What waits for it counts as sent, until it is closed and all of that is dropped."""
    running = daemon(f"{SITE}defaults: {{outbox: {{size: 64MiB, stalled: 500ms}}}}\n", plugins=PLUGINS)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", running.port))
        deaf.sendall(request_head("/room/red"))
        running.wait_for("connection.opened")
        for _ in range(12):
            assert request(socket_of(tmp_path / "site.yaml"), command="publish", topic="/room/red", message="x" * (1 << 20))["members"] == 1
        before = counters(scrape(running))
        until(lambda: by_labels(scrape(running), "wsrouter_messages_dropped_total"))
        now = counters(scrape(running))
        assert [key for key, value in before.items() if now[key] < value] == []
    record = running.wait_for("connection.closed", cause="slow_consumer")
    values = scrape(running)

    assert before["wsrouter_messages_sent_total", (("route", "/room/{room}"),)] == 12 > record["messages_out"]
    assert by_labels(values, "wsrouter_slow_consumers_total") == {("/room/{room}",): 1}
    assert by_labels(values, "wsrouter_messages_dropped_total") == {("outbox", "/room/{room}"): record["dropped_out"]}


def counters(values):
    """Those of the values that only grow."""
    return {(name, labels): value for (name, labels), value in values.items() if name.endswith("_total") and name.startswith("wsrouter_")}
