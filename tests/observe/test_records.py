import io
import json
from dataclasses import replace

import pytest

from wsrouter.api.causes import Cause, Reason
from wsrouter.api.ports import Attempt, Ending, Failure, Losses, Quarantined, Refusal
from wsrouter.config.settings import Log
from wsrouter.observe.logs import configure_logs
from wsrouter.observe.records import Records
from wsrouter.testing.clock import ManualClock
from wsrouter.testing.connection import MemoryConnection

CANARY = "s3cret"


@pytest.fixture
def log():
    """Makes Records of a level and a setting, and reads what they wrote."""
    stream = io.StringIO()

    def make(clock=None, connections="both", level="debug"):
        configure_logs(Log(level=level), stream, {})
        return Records(clock or ManualClock(), connections)

    make.stream = stream
    make.read = lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    return make


class Client(MemoryConnection):
    """A connection with counters, as wire has them."""

    messages_in, messages_out, bytes_in, bytes_out = 3, 4, 100, 2000
    opened_monotonic = 0.0
    losses = None

    def find_header(self, name):
        return self.headers.get(name.decode())


def make_client(**facts):
    return Client("/rooms/lobby", route="/rooms/{room}", query={"token": CANARY}, **{"headers": {"User-Agent": "curl/8"}, **facts})


def test_an_opened_connection_is_told_with_who_it_is(log):
    client = make_client(user="anna", subprotocol="chat.v1", peer="10.0.0.1:5", client="203.0.113.7")
    log().opened(client)
    (record,) = log.read()
    assert record.pop("ts")
    assert record == {
        "level": "info", "event": "connection.opened", "route": "/rooms/{room}", "path": "/rooms/lobby", "peer": "10.0.0.1:5", "client": "203.0.113.7",
        "subprotocol": "chat.v1", "user": "anna", "user_agent": "curl/8", "connection_id": client.id, "request_id": client.id,
    }  # fmt: skip


@pytest.mark.anyio
async def test_a_closed_connection_is_told_with_why_and_how_much(log):
    clock = ManualClock()
    records = log(clock)
    await clock.advance(12.3456)
    clock.set_wall(clock.now().replace(year=1999))
    client = make_client()
    records.closed(client, Ending(Cause.SLOW_CONSUMER, 1013, "too slow", "server"))
    (record,) = log.read()
    assert record.pop("ts")
    assert record == {
        "level": "info", "event": "connection.closed", "cause": "slow_consumer", "code": 1013, "reason": "too slow", "by": "server", "duration_s": 12.346,
        "messages_in": 3, "messages_out": 4, "bytes_in": 100, "bytes_out": 2000, "route": "/rooms/{room}", "path": "/rooms/lobby",
        "peer": "127.0.0.1:50000", "user_agent": "curl/8", "connection_id": client.id, "request_id": client.id,
    }  # fmt: skip


def test_facts_that_are_not_there_are_left_out_but_zero_is_one(log):
    client = make_client(headers={})
    client.messages_in = client.bytes_in = 0
    log().closed(client, Ending(Cause.CLIENT_ABORT, None, "", "client"))
    (record,) = log.read()
    assert not {"code", "reason", "subprotocol", "user", "user_agent", "client"} & set(record)
    assert (record["messages_in"], record["bytes_in"], record["duration_s"]) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("peer", "client", "told"),
    [
        ("127.0.0.1:5", "127.0.0.1", False),
        ("[::1]:5", "::1", False),
        ("unix", "unix", False),
        ("unix", "203.0.113.7", True),
        ("[fd00::1]:5", "2001:db8::7", True),
    ],
)
def test_the_client_is_told_where_it_is_not_the_peer(log, peer, client, told):
    log().opened(make_client(peer=peer, client=client))
    assert ("client" in log.read()[0]) is told


@pytest.mark.parametrize("given", ["", "a b", "a\nb", "\x1b", "é", "x" * 129, "{}"])
def test_a_request_id_that_no_proxy_writes_is_not_taken(log, given):
    client = make_client(headers={"X-Request-ID": given})
    log().opened(client)
    assert log.read()[0]["request_id"] == client.id


@pytest.mark.parametrize("given", ["f058ebd6-02f7-4d3f-942e-904344e8cde5", "1-67891233-abcdef012345678912345678", "a" * 128, "Root=1:2/3"])
def test_a_request_id_of_a_proxy_is_taken(log, given):
    log().opened(make_client(headers={"x-request-id": given}))
    assert log.read()[0]["request_id"] == given


@pytest.mark.parametrize(("setting", "events"), [("both", ["connection.opened", "connection.closed"]), ("closed", ["connection.closed"]), ("none", [])])
def test_the_setting_says_which_records_of_connections_there_are(log, setting, events):
    records = log(connections=setting)
    client = make_client()
    records.opened(client)
    records.closed(client, Ending(Cause.CLIENT_CLOSE, 1000, "", "client"))
    assert [record["event"] for record in log.read()] == events


ATTEMPT = Attempt("127.0.0.1:5", f"/echo?token={CANARY}", "localhost:8765", "null", "curl/8", "abc-1")


def test_a_refused_handshake_is_told_with_its_cure(log):
    log().refused(ATTEMPT, Refusal(Reason.ORIGIN, "", 'origins: ["null"]'))
    (record,) = log.read()
    assert record.pop("ts")
    assert record == {
        "level": "info", "event": "handshake.refused", "status": 403, "reason": "origin", "fix": 'origins: ["null"]', "path": "/echo",
        "peer": "127.0.0.1:5", "host": "localhost:8765", "origin": "null", "user_agent": "curl/8", "request_id": "abc-1",
    }  # fmt: skip


def test_a_failure_of_wsrouter_itself_is_an_error(log):
    log().refused(ATTEMPT, Refusal(Reason.ERROR, "KeyError: 'x'"))
    assert (log.read()[0]["level"], log.read()[0]["detail"]) == ("error", "KeyError: 'x'")


@pytest.mark.parametrize("path", [f"/a?t={CANARY}", f"/a#{CANARY}", f"/a#x?{CANARY}", f"http://h/a?{CANARY}", f"?{CANARY}"])
def test_no_query_appears_in_any_record(log, path):
    records = log()
    client = make_client()
    records.opened(client)
    records.closed(client, Ending(Cause.CLIENT_CLOSE, 1000, "", "client"))
    records.refused(replace(ATTEMPT, path=path), Refusal(Reason.MALFORMED))
    records.failed(Failure("/echo", "echo", "on_message", ValueError("x"), client.id))
    assert len(log.read()) == 4
    assert CANARY not in log.stream.getvalue()


def test_what_clients_supply_cannot_harm_the_log(log):
    evil = "\x1b[2J\r\n{}\u2028\x85" + "x" * 100_000
    records = log()
    client = make_client(headers={"User-Agent": evil, "X-Request-ID": evil}, subprotocol=evil, user=evil)
    client.path = evil
    records.opened(client)
    records.closed(client, Ending(Cause.CLIENT_CLOSE, 1000, evil, "client"))
    records.refused(Attempt(evil, evil, evil, evil, evil, evil), Refusal(Reason.MALFORMED, evil, evil))
    records.failed(Failure("/echo", "echo", "on_message", ValueError(evil), None))
    records.vanished(evil)
    lines = log.stream.getvalue().splitlines()
    assert len(lines) == 5
    assert all(character.isprintable() for line in lines for character in line)
    assert all(len(value) <= 256 for record in log.read() for name, value in record.items() if isinstance(value, str) and name != "traceback")


def test_a_peer_that_left_without_a_byte_is_debug(log):
    log().vanished("127.0.0.1:5")
    log(level="info").vanished("127.0.0.1:6")
    assert [(record["level"], record["event"], record["peer"]) for record in log.read()] == [("debug", "peer.vanished", "127.0.0.1:5")]


def test_a_failed_handler_is_told_once_with_the_place_in_its_plugin(log, tmp_path):
    path = tmp_path / "hello.py"
    path.write_text("def on_message():\n    raise TypeError('no\\nnumber')\n")
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(TypeError) as caught:
        names["on_message"]()
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without this file's own frame
    log().failed(Failure("/hello", "hello", "on_message", error, "00ff"))
    (record,) = log.read()
    assert record.pop("ts")
    traceback = record.pop("traceback")
    assert record == {
        "level": "error", "event": "handler.failed", "route": "/hello", "handler": "hello", "hook": "on_message", "error": "TypeError: no\\x0anumber",
        "at": f"{path}:2", "connection_id": "00ff",
    }  # fmt: skip
    assert traceback.splitlines()[1:3] == [f'  File "{path}", line 2, in on_message', "    raise TypeError('no\\nnumber')"]


def test_each_record_is_written_once(log):
    records = log()
    clients = [make_client() for _ in range(50)]
    for client in clients:
        records.opened(client)
    for client in clients:
        records.closed(client, Ending(Cause.SHUTDOWN, 1001, "", "server"))
    told = [(record["event"], record["connection_id"]) for record in log.read()]
    assert len(told) == len(set(told)) == 100


def test_a_quarantine_tells_the_last_error_how_many_and_how_to_cure_it(log):
    records = log()
    records.quarantined(Quarantined(Failure("/hello", "hello", "on_close", KeyError("x"), "00ff"), 21, 20, 30.0))
    records.released("/hello", "hello")
    quarantined, released = log.read()
    assert quarantined.pop("ts")
    assert "plugins.failures" in quarantined.pop("fix")
    assert quarantined == {
        "level": "error", "event": "handler.quarantined", "route": "/hello", "handler": "hello", "failures": 21, "connections": 20, "pause_s": 30.0,
        "error": "KeyError: 'x'",
    }  # fmt: skip
    assert ("info", "handler.released", "/hello", "hello") == tuple(released[name] for name in ("level", "event", "route", "handler"))


def test_what_was_lost_is_told_with_who_lost_it(log):
    records, client = log(), make_client(user="anna")
    client.losses = Losses(dropped_in=2, dropped_out=30, waiting_bytes=4096, behind_s=1.23456)
    records.behind(client, client.losses)
    records.caught_up(client, client.losses)
    records.closed(client, Ending(Cause.CLIENT_CLOSE, 1000, "", "client"))
    told = log.read()
    assert ["connection.behind", "connection.caught_up", "connection.closed"] == [record["event"] for record in told]
    assert ["warning", "info", "info"] == [record["level"] for record in told]
    for record in told:
        assert (2, 30, 4096, 1.235) == tuple(record[name] for name in ("dropped_in", "dropped_out", "waiting_bytes", "behind_s"))
        assert ("/rooms/{room}", "127.0.0.1:50000", client.id, "anna") == tuple(record[name] for name in ("route", "peer", "connection_id", "user"))
    assert "outbox.on_full" in told[0]["fix"]


def test_a_connection_that_lost_messages_of_one_kind_is_told_of_that_kind_only(log):
    client = make_client()
    client.losses = Losses(dropped_in=1)
    log().closed(client, Ending(Cause.CLIENT_CLOSE, 1000, "", "client"))
    (record,) = log.read()
    assert {"dropped_in": 1} == {name: record[name] for name in ("dropped_in", "dropped_out", "waiting_bytes", "behind_s") if name in record}
