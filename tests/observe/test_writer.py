import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from support.daemon import ROOT
from wsrouter.observe.writer import LogWriter, _writers

ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}


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


class Notes:
    """Notes of a log that has nothing to say but what was lost."""

    def __init__(self) -> None:
        self.due: list[bytes] = []

    @property
    def pending(self) -> bool:
        return bool(self.due)

    def collect(self, *, final: bool = False) -> list[bytes]:
        taken, self.due = self.due, []
        return taken

    def dropped(self, count: int) -> bytes:
        return b"lost %d" % count


def test_when_lines_go_out_again_one_says_how_many_were_lost(pipe):
    reader, stream = pipe
    writer = LogWriter(stream, backlog=10, notes=Notes())
    for number in range(400):
        writer.write(f"{number:06d} {'x' * 4000}".encode())
    lost = writer.dropped
    assert lost > 50
    received = read_lines(reader, 400 - lost + 1)
    assert [b"lost %d" % lost] == received[400 - lost :]
    writer.write(b"next")
    assert [b"next"] == read_lines(reader, 1), "it is said once"


def test_a_disk_that_has_room_again_is_found_without_another_line(tmp_path):
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as reader, os.fdopen(write, "w") as stream, Path("/dev/full").open("w") as full:
        kept = os.dup(stream.fileno())
        os.dup2(full.fileno(), stream.fileno())
        writer = LogWriter(stream, notes=Notes())
        writer.write(b"one")
        writer.write(b"two")
        assert writer.flush()
        os.dup2(kept, stream.fileno())
        os.close(kept)
        assert [b"lost 2"] == read_lines(reader, 1)
        writer.close()


def test_a_line_that_was_cut_short_does_not_run_into_the_next(tmp_path):
    """A file that may not grow past a size takes a part of a line, as a full disk does."""
    program = """
        import os, resource, signal, sys
        from wsrouter.observe.writer import LogWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        stream = open("log", "w")
        resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))
        writer = LogWriter(stream)
        for number in range(3):
            writer.write(b"%d23456789" % number)
        writer.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.write(b"next")
        writer.flush()
        print(writer.dropped)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True, check=True, env=ENVIRON)
    assert ("1\n", "023456789\n123456789\n22345\nnext\n") == (done.stdout, (tmp_path / "log").read_text())


def test_what_is_due_is_written_though_nobody_writes(pipe):
    reader, stream = pipe
    notes = Notes()
    writer = LogWriter(stream, notes=notes)
    writer.write(b"one")
    assert [b"one"] == read_lines(reader, 1)
    notes.due = [b"due"]
    writer.wake()
    assert [b"due"] == read_lines(reader, 1)


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end_of_the_process():
    program = """
        import sys
        from wsrouter.observe.writer import LogWriter
        writer = LogWriter(sys.stderr)
        for number in range(1000):
            writer.write(b"x" * 500)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stderr=subprocess.PIPE, env=ENVIRON) as process:
        assert process.wait(5) == 0


def test_a_forked_child_writes_its_own_lines_and_not_those_of_its_parent(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    writer.write(b"parent")
    child = os.fork()
    if not child:
        writer.write(b"child")
        os._exit(0)
    os.waitpid(child, 0)
    assert writer.flush()
    writer.write(b"parent again")
    assert [b"child", b"parent", b"parent again"] == sorted(read_lines(reader, 3))


def test_a_signal_that_logs_amid_a_write_stops_nobody(pipe):
    reader, stream = pipe
    writer = LogWriter(stream)
    before = signal.signal(signal.SIGPROF, lambda *_: writer.write(b"signal"))
    signal.setitimer(signal.ITIMER_PROF, 0.0002, 0.0002)
    try:
        for _ in range(5000):
            writer.write(b"line")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    lines = read_lines(reader, 5000)
    assert writer.flush()
    assert {b"line"} <= set(lines) <= {b"line", b"signal"}


def test_a_process_without_stderr_loses_its_lines_and_nothing_else():
    writer = LogWriter(None)
    writer.write(b"one")
    assert (1, True) == (writer.dropped, writer.flush())


def test_a_closed_writer_begins_again_with_the_next_line(pipe):
    reader, stream = pipe
    others = set(threading.enumerate())
    writer = LogWriter(stream)
    writer.write(b"one")
    (thread,) = (thread for thread in set(threading.enumerate()) - others if thread.name == "wsrouter-log")
    writer.close()
    thread.join(5)
    assert not thread.is_alive()
    writer.write(b"two")
    assert [b"one", b"two"] == read_lines(reader, 2)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    for writer in list(_writers):
        writer.close()
