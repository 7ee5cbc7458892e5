import io
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from wsrouter.observe.writer import LogWriter


@pytest.fixture
def pipe():
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as reader, os.fdopen(write, "w") as stream:
        yield reader, stream


def read_lines(reader, count):
    data = b""
    while data.count(b"\n") < count:
        data += reader.read(65536)
    return data.splitlines()


def test_lines_come_out_as_they_went_in(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    for line in (b"one", "zwölf".encode(), b""):
        writer.write(line)
    assert read_lines(reader, 3) == [b"one", "zwölf".encode(), b""]


def test_a_stream_without_a_descriptor_is_written_too():
    stream = io.StringIO()
    LogWriter(stream).write("zwölf".encode())
    assert stream.getvalue() == "zwölf\n"


def test_a_full_disk_costs_lines_but_raises_nothing():
    with Path("/dev/full").open("w") as stream:
        writer = LogWriter(stream)
        writer.write(b"one")
        writer.write(b"two")
        assert writer.flush()
        assert writer.dropped == 2


def test_a_closed_pipe_costs_lines_but_raises_nothing(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    reader.close()
    writer.write(b"one")
    assert writer.flush()
    assert writer.dropped == 1


def test_a_closed_stream_costs_lines_but_raises_nothing():
    stream = io.StringIO()
    writer = LogWriter(stream)
    stream.close()
    writer.write(b"one")
    assert writer.dropped == 1


def test_a_pipe_that_nobody_reads_stops_nobody_and_loses_nothing_within_the_backlog(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    lines = [f"{number:06d} {'x' * 500}".encode() for number in range(2000)]  # 1 MB; a pipe holds 64 KiB
    for line in lines:
        writer.write(line)
    assert not writer.flush(0.01), "the backlog cannot be written: nobody reads"
    assert read_lines(reader, 2000) == lines
    assert writer.flush()
    writer.write(b"afterwards")
    assert read_lines(reader, 1) == [b"afterwards"]
    assert writer.dropped == 0


def test_beyond_the_backlog_lines_are_dropped_whole_and_counted(pipe):
    reader, stream = pipe
    writer = LogWriter(stream, backlog=10)
    lines = [f"{number:06d} {'x' * 4000}".encode() for number in range(100)]
    for line in lines:
        writer.write(line)
    kept = 100 - writer.dropped
    assert 10 < kept < 40
    received = read_lines(reader, kept)
    assert writer.flush()
    assert len(received) == kept
    assert received == sorted(set(received) & set(lines))
    assert received[:10] == lines[:10]


def test_a_long_line_stays_whole(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    line = b"x" * 300_000
    writer.write(line)
    writer.write(b"next")
    assert read_lines(reader, 2) == [line, b"next"]
    assert writer.flush()


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe):
    reader, stream = pipe
    os.set_blocking(stream.fileno(), False)
    writer = LogWriter(stream)
    lines = [f"{number:06d} {'x' * 1000}".encode() for number in range(500)]
    for line in lines:
        writer.write(line)
    assert read_lines(reader, 500) == lines
    assert writer.flush()
    assert writer.dropped == 0


def test_a_reader_that_leaves_while_a_backlog_waits_costs_the_backlog(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    for _ in range(100):
        writer.write(b"x" * 4000)
    reader.close()
    assert writer.flush(5)
    assert writer.dropped > 50


def test_lines_of_several_threads_stay_whole(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)

    def write(letter):
        for _ in range(300):
            writer.write(letter * 600)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    lines = read_lines(reader, 900)
    for thread in threads:
        thread.join()
    assert sorted(set(lines)) == [b"a" * 600, b"b" * 600, b"c" * 600]
    assert writer.flush()


def test_what_waits_at_the_end_of_the_process_still_goes_out():
    program = """
        import sys
        from wsrouter.observe.writer import LogWriter
        writer = LogWriter(sys.stderr)
        for number in range(1000):
            writer.write(b"x" * 500)
        print("done", flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"done\n"
        assert process.stderr.read().count(b"\n") == 1000
