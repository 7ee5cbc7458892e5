import io
import json
import logging
import os
import pty
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wsrouter.config.settings import Log
from wsrouter.observe.logs import configure_logs, get_logger, get_record_logger, is_journal


def fail(error):
    raise error


def records(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream():
    stream = io.StringIO()
    configure_logs(Log(), stream, {})
    return stream


def test_a_record_is_one_line_of_json_with_the_time_in_utc(stream):
    before = datetime.now(UTC).replace(microsecond=0)
    get_logger(route="/echo").info("connection.opened", n=1)
    (record,) = records(stream)
    assert list(record) == ["ts", "level", "event", "route", "n"]
    assert (record["level"], record["event"], record["route"], record["n"]) == ("info", "connection.opened", "/echo", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"])
    assert before <= datetime.fromisoformat(record["ts"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("level", "kept"),
    [("debug", ["debug", "info", "warning", "error"]), ("info", ["info", "warning", "error"]), ("warning", ["warning", "error"]), ("error", ["error"])],
)
def test_what_is_below_the_level_is_not_written(level, kept):
    stream = io.StringIO()
    configure_logs(Log(level=level), stream, {})
    log = get_logger()
    for method in ("debug", "info", "warning", "error"):
        getattr(log, method)("it.happened")
    assert [record["level"] for record in records(stream)] == kept


def test_a_logger_follows_a_later_configuration():
    log = get_logger(route="/echo")
    first, second = io.StringIO(), io.StringIO()
    configure_logs(Log(level="error"), first, {})
    log.info("it.happened")
    configure_logs(Log(level="info"), second, {})
    log.info("it.happened")
    assert (records(first), len(records(second))) == ([], 1)


def test_no_call_site_can_forget_to_clean(stream):
    get_logger(bound="\x1b[2J").info("a\nb", path="/" + "a" * 9000, nested={"agent\n": ["\x85"]}, cause=ValueError("\u2028"))
    assert "\x1b" not in stream.getvalue()
    (record,) = records(stream)
    assert record.pop("ts")
    assert record == {
        "level": "info", "event": "a\\x0ab", "bound": "\\x1b[2J", "path": "/" + "a" * 254 + "…", "nested": {"agent\\x0a": ["\\x85"]}, "cause": "\\u2028",
    }  # fmt: skip


def test_facts_cannot_forge_time_and_level(stream):
    get_logger(level="critical").info("it.happened", ts="1970")
    (record,) = records(stream)
    assert record["level"] == "info"
    assert record["ts"] != "1970"


def test_an_exception_keeps_its_lines_within_the_json(stream):
    try:
        fail(ValueError("one\ntwo\x1b"))
    except ValueError:
        get_logger().error("it.failed", exc_info=True)
    (record,) = records(stream)
    assert record["exception"].startswith("Traceback (most recent call last):\n")
    assert record["exception"].endswith("ValueError: one\ntwo\\x1b")


def test_a_full_disk_never_reaches_the_caller():
    with Path("/dev/full").open("w") as full:
        writer = configure_logs(Log(), full, {})
        get_logger().info("it.happened")
        logging.getLogger("websockets").error("it happened")
        assert writer.flush()
        assert writer.dropped == 2


def test_the_records_of_libraries_come_through_at_warning(stream):
    logging.getLogger("websockets.server").info("connection open")
    logging.getLogger("asyncio").warning("took %.1f s\x1b", 1.5)
    try:
        fail(OSError("gone"))
    except OSError:
        logging.getLogger("aiohttp").exception("failed")
    first, second = records(stream)
    assert (first["level"], first["event"], first["logger"]) == ("warning", "took 1.5 s\\x1b", "asyncio")
    assert (second["level"], second["event"]) == ("error", "failed")
    assert second["exception"].endswith("OSError: gone")


def test_a_librarys_record_that_cannot_be_told_is_counted(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would raise
    stream = io.StringIO()
    writer = configure_logs(Log(), stream, {})
    logging.getLogger("library").warning("%d arguments", "no")
    assert (stream.getvalue(), writer.dropped) == ("", 1)


def test_configuring_twice_writes_once():
    first, second = io.StringIO(), io.StringIO()
    configure_logs(Log(), first, {})
    configure_logs(Log(), second, {})
    logging.getLogger("library").warning("once")
    assert (len(records(first)), len(records(second))) == (0, 1)


def test_stderr_is_where_logs_go(capfd):
    writer = configure_logs(Log(format="json"), environ={})
    get_logger().info("it.happened")
    assert writer.flush()
    out, err = capfd.readouterr()
    assert (out, json.loads(err)["event"]) == ("", "it.happened")


def test_pretty_is_for_people_and_has_no_colours_where_there_is_no_terminal():
    stream = io.StringIO()
    configure_logs(Log(format="pretty"), stream, {})
    get_logger().warning("it.happened", path="/a b")
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{3} warning it\.happened +path="/a b"\n', stream.getvalue())


@pytest.fixture
def terminal():
    """What is read from a terminal, and the stream that goes there."""
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as stream:
        yield lambda: os.read(parent, 65536).decode(), stream
    os.close(parent)


@pytest.mark.parametrize(
    ("settings", "environ", "pattern"),
    [
        (Log(), {}, r"\x1b\[2m\d\d:.*\x1b\[32minfo .*it\.happened.*\r\n"),
        (Log(format="pretty"), {"TERM": "xterm"}, r"\x1b\[2m.*\r\n"),
        (Log(), {"NO_COLOR": "1"}, r"\d\d:\d\d:\d\d\.\d{3} info    it\.happened\r\n"),
        (Log(), {"TERM": "dumb"}, r"\d\d:\d\d:\d\d\.\d{3} info    it\.happened\r\n"),
        (Log(format="json"), {}, r'\{"ts".*\}\r\n'),
    ],
)
def test_on_a_terminal_auto_is_pretty_and_coloured(terminal, settings, environ, pattern):
    read, stream = terminal
    configure_logs(settings, stream, environ)
    get_logger().info("it.happened")
    assert re.fullmatch(pattern, read())


def journal_of(stream):
    status = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_lines_for_the_journal_begin_with_their_level(tmp_path):
    with (tmp_path / "journal").open("w") as stream:
        writer = configure_logs(Log(level="debug"), stream, journal_of(stream))
        log = get_logger()
        for method in ("debug", "info", "warning", "error"):
            getattr(log, method)("it.happened")
        logging.getLogger("library").error("it happened")
        assert writer.flush()
    lines = (tmp_path / "journal").read_text().splitlines()
    assert [line[:4] for line in lines] == ["<7>{", "<6>{", "<4>{", "<3>{", "<3>{"]
    assert all(json.loads(line[3:]) for line in lines)


def test_each_line_of_a_pretty_record_is_marked_for_the_journal(tmp_path):
    with (tmp_path / "journal").open("w") as stream:
        writer = configure_logs(Log(format="pretty"), stream, journal_of(stream))
        get_logger().error("it.failed", traceback="one\ntwo")
        assert writer.flush()
    assert [line[:3] for line in (tmp_path / "journal").read_text().splitlines()] == ["<3>"] * 3


@pytest.mark.parametrize("value", ["", "1", "1:2", ":", "a:b", "²:²", "-1:2", "1:2:3"])
def test_another_journal_stream_is_not_ours(value, tmp_path):
    with (tmp_path / "file").open("w") as stream:
        assert not is_journal(stream, {"JOURNAL_STREAM": value})
        assert is_journal(stream, journal_of(stream))
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": value})


def test_the_name_of_the_default_stream_is_looked_up_when_it_is_configured(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs(Log(), environ={})
    get_logger().info("it.happened")
    assert len(records(stream)) == 1


@pytest.mark.parametrize(("level", "count"), [("debug", 1), ("info", 1), ("warning", 0)])
def test_a_record_is_a_line_as_info_writes_it_from_the_same_level(level, count):
    stream = io.StringIO()
    configure_logs(Log(level=level), stream, {})
    log = get_record_logger()
    log.info("it.happened", route="/a", text="\x1b", n=1)
    log.record("it.happened", {"route": "/a", "text": "\x1b", "n": 1})
    lines = [list(json.loads(line).items())[1:] for line in stream.getvalue().splitlines()]
    assert 2 * count == len(lines)
    assert lines[:count] == lines[count:]
