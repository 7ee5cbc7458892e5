"""`wsrouter bench`: true figures of the real daemon, and exactly what is wrong with a bad server."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from tempfile import TemporaryDirectory

import pytest

from support.bad_server import bad_server
from support.daemon import start_process

SITE = "routes: {/echo: echo, '/room/{room}': broadcast}"


@pytest.fixture
def bench(wsrouter):
    """Runs the command; the answer is its exit code, its figures, and what it says on stderr."""

    def run(*words):
        code, out, err = wsrouter("bench", *words, "--json")
        return code, json.loads(out), err

    return run


def test_an_echo_is_measured_in_a_closed_loop(daemon, bench):
    code, figures, err = bench(daemon(SITE).url("/echo"), "--connections", "3", "--in-flight", "4", "--time", "300ms")

    assert code == 0, err
    assert figures["connect"]["count"] == 3
    messages, round_trip = figures["messages"], figures["round_trip"]
    assert messages["sent"] == messages["received"] == round_trip["count"] > 12
    assert 0 < round_trip["p50_s"] <= round_trip["p90_s"] <= round_trip["p99_s"] <= round_trip["p99.9_s"] <= round_trip["max_s"]
    assert figures["errors"] == {}


def test_a_rate_is_kept_by_all_connections_together(daemon, bench):
    code, figures, _ = bench(daemon(SITE).url("/echo"), "--connections", "7", "--rate", "500", "--time", "400ms")

    assert code == 0
    assert figures["messages"]["sent"] == figures["messages"]["received"] == 200
    assert figures["unsent"] == figures["lost"] == 0


@pytest.mark.parametrize("pace", [["--rate", "100"], ["--in-flight", "5"]], ids=["open loop", "closed loop"])
def test_a_fan_out_reaches_every_receiver_once_and_in_order(daemon, bench, pace):
    code, figures, err = bench(daemon(SITE).url("/room/lobby"), "--connections", "12", "--fan-out", "2", *pace, "--time", "200ms", "--size", "4KiB")

    assert code == 0, err
    assert figures["delivery"]["count"] == figures["messages"]["received"] == 10 * figures["messages"]["sent"] > 0
    assert (0, 0, 0, 0) == (figures["lost"], figures["duplicated"], figures["out_of_order"], figures["unexpected"])


def test_the_lines_of_a_script_are_sent_and_their_answers_counted(bench, tmp_path):
    heard = []
    (tmp_path / "lines.txt").write_text('{"text": "one"}\n\nzwö\n', "utf-8")
    with bad_server(lambda websocket, number, message: heard.append(message)) as url:
        code, figures, _ = bench(url, "--script", str(tmp_path / "lines.txt"), "--connections", "1", "--rate", "100", "--time", "50ms")

    assert code == 0
    assert ['{"text": "one"}', "zwö", '{"text": "one"}', "zwö", '{"text": "one"}'] == heard
    assert figures["round_trip"]["count"] == 5


@pytest.mark.parametrize("window", ["1024", "1"], ids=["what is due is sent", "what is due is held back"])
@pytest.mark.parametrize("stall_s", [0.4, pytest.param(2.0, marks=pytest.mark.slow)])
def test_a_server_that_stalls_shows_in_every_percentile_that_the_stall_touches(bench, stall_s, window):
    def stall(websocket, number, message):
        if number == 10:
            time.sleep(stall_s)

    with bad_server(stall) as url:
        code, figures, _ = bench(url, "-c", "1", "-r", "100", "-i", window, "--time", f"{stall_s + 0.2:g}s", "--fail", f"max >= {stall_s}s")

    assert code == 0
    latency = figures["round_trip"]
    assert stall_s <= latency["max_s"] < stall_s + 0.3
    assert latency["p99_s"] > stall_s * 0.9
    assert latency["p50_s"] > stall_s * 0.15, "what was due during the stall counts from when it was due"
    assert figures["messages"]["received"] == round((stall_s + 0.2) * 100)


def test_a_dropped_message_is_lost_and_a_doubled_one_is_duplicated(bench):
    def fault(websocket, number, message):
        if number == 5:
            return True
        if number == 7:
            websocket.send(message)
        return False

    with bad_server(fault) as url:
        code, figures, _ = bench(url, "--connections", "2", "--rate", "100", "--time", "200ms", "--timeout", "300ms")

    assert code == 1
    assert (20, 18, 2, 2, 0) == (
        figures["messages"]["sent"],
        figures["messages"]["received"],
        figures["lost"],
        figures["duplicated"],
        figures["out_of_order"],
    )
    assert figures["round_trip"]["count"] == 18, "a duplicate has no latency"


def test_a_message_that_is_overtaken_is_out_of_order_and_not_lost(bench):
    held = []

    def swap(websocket, number, message):
        if number == 3:
            held.append(message)
            return True
        if number == 4:
            websocket.send(message)
            websocket.send(held.pop())
            return True
        return False

    with bad_server(swap) as url:
        code, figures, _ = bench(url, "--connections", "1", "--rate", "100", "--time", "100ms")

    assert (code, 1, 0, 10) == (1, figures["out_of_order"], figures["lost"], figures["messages"]["received"])


def test_in_a_closed_loop_a_message_that_is_lost_does_not_end_the_sending(bench):
    with bad_server(lambda websocket, number, message: number == 3) as url:
        code, figures, _ = bench(url, "--connections", "1", "--time", "500ms", "--timeout", "100ms")

    assert (code, 1) == (1, figures["lost"])
    assert figures["messages"]["received"] > 4


def test_a_close_during_the_run_is_named_and_the_others_go_on(bench):
    fifth = []

    def close_one(websocket, number, message):
        if number == 5 and not fifth:
            fifth.append(websocket)
            websocket.close(1013, "full")

    with bad_server(close_one) as url:
        code, figures, _ = bench(url, "--connections", "3", "--rate", "300", "--time", "300ms", "--timeout", "200ms")

    assert code == 1
    assert figures["errors"] == {"closed by the server: 1013 (try again later) full": 1}
    assert figures["messages"]["received"] == 30 + 30 + 5


def test_a_server_that_dies_in_the_middle_is_named_and_the_run_ends(daemon, bench):
    running = daemon(SITE)
    timer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {running.process.pid}"])
    began = time.monotonic()
    code, figures, _ = bench(running.url("/echo"), "--connections", "4", "--rate", "100", "--time", "60s")
    timer.wait()
    running.process.wait(10)  # its sockets end before it does

    assert code == 1
    assert figures["errors"] == {"lost: the connection ended without a close frame": 4}
    assert figures["messages"]["received"] > 0
    assert time.monotonic() - began < 10


def test_a_wrong_path_is_refused_with_the_servers_words(daemon, bench):
    code, figures, _ = bench(daemon(SITE).url("/nowhere"), "--connections", "3")

    assert (code, {"refused: 404 Not Found": 3}) == (1, figures["errors"])


def test_where_nobody_listens_it_says_so(bench):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        code, figures, _ = bench(f"ws://127.0.0.1:{bound.getsockname()[1]}/", "--connections", "2")

    assert (code, {"cannot connect: nothing listens there": 2}) == (1, figures["errors"])


def test_a_server_that_never_answers_the_handshake_is_not_waited_for(bench):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, figures, _ = bench(f"ws://127.0.0.1:{silent.getsockname()[1]}/", "--connections", "2", "--timeout", "100ms")

    assert (code, {"no answer within 0.1 s": 2}) == (1, figures["errors"])


def test_answers_that_are_not_what_was_sent_are_unexpected_and_the_cure_is_told(bench):
    def greet(websocket, number, message):
        websocket.send("hello")
        return True

    with bad_server(greet) as url:
        code, figures, err = bench(url, "--connections", "1", "--rate", "100", "--time", "50ms", "--timeout", "50ms")

    assert (code, 5, 5) == (1, figures["unexpected"], figures["lost"])
    assert err.splitlines()[-1] == "warning: what comes is not what was sent; if this route answers with something else, send it lines with --script"


def test_a_threshold_that_is_missed_is_told_and_exits_3(bench):
    with bad_server(lambda websocket, number, message: number == 1) as url:
        code, _, err = bench(url, "-c", "1", "-r", "100", "-t", "50ms", "--timeout", "50ms", "--fail", "p50 < 0.001ms, lost = 0", "--fail", "errors=0")

    assert code == 3
    first, second = [line for line in err.splitlines() if not line.startswith("warning: ")]  # as that a busy machine kept it from its plan
    assert first.startswith("missed: p50 round_trip < 0.001ms, but it was ")
    assert second == "missed: lost = 0, but it was 1"


def test_a_loss_that_a_threshold_allows_is_no_failure(bench):
    with bad_server(lambda websocket, number, message: number == 1) as url:
        assert bench(url, "-c", "1", "-r", "100", "-t", "50ms", "--timeout", "50ms", "--fail", "lost < 2")[0] == 0
        assert bench(url, "-c", "1", "-r", "100", "-t", "50ms", "--timeout", "50ms")[0] == 1


def test_every_bad_threshold_has_its_line(wsrouter):
    code, out, err = wsrouter("bench", ":1", "--fail", "lots = 3, p99 < 5", "--fail", "p99 ~ 5ms")

    assert (code, out) == (2, "")
    assert ["lots = 3", "p99 < 5", "p99 ~ 5ms"] == [line.split("'")[1] for line in err.splitlines()]


WRONG = {
    "a time without sense": (["-t", "x"], "is not a time: write 500ms"),
    "a size below the stamp": (["--size", "3"], "3 is not from 32 bytes"),
    "no connections": (["-c", "0"], "'0' is not a number from 1 to 65535"),
    "a rate of nothing": (["-r", "0"], "'0' is not a number of messages a second"),
    "nobody to receive": (["-c", "2", "-f", "2"], "leaves nobody to receive"),
    "a script that is published": (["-f", "--script", "x"], "--script goes without --fan-out"),
}


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_is_told_with_what_is_allowed(wsrouter, words, told):
    code, out, err = wsrouter("bench", ":1", *words)

    assert (code, out) == (2, "")
    assert told in err.splitlines()[-1]


def test_an_address_that_is_none_is_refused(wsrouter):
    assert (2, "", "'ftp://x' is not a WebSocket address: write ws://host:port/path\n") == wsrouter("bench", "ftp://x")


def test_ctrl_c_prints_what_was_measured_so_far(tmp_path):
    under_way = threading.Event()
    with bad_server(lambda websocket, number, message: under_way.set() if number == 10 else None) as url:
        process = start_process(["bench", url, "--time", "60s", "--connections", "2"], tmp_path, {})
        assert under_way.wait(10)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert process.returncode == 0, err
    assert b"interrupted after" in err
    assert b"round trip" in out
    assert b"lost 0," in out


def test_the_report_says_how_it_measured_and_draws_a_histogram(daemon, wsrouter):
    url = daemon(SITE).url("/echo")
    _, closed, _ = wsrouter("bench", url, "--time", "100ms", "--connections", "2")
    _, scheduled, _ = wsrouter("bench", url, "--time", "100ms", "--connections", "2", "--rate", "200")

    assert "closed loop, 1 in flight: each connection sends again when it is answered; latency counts from sending" in closed
    assert "open loop, 200 messages/s on a schedule: latency counts from when a message was due" in scheduled
    assert "sent 20, received 20: " in scheduled
    assert "########################################" in scheduled


def test_a_control_sequence_of_a_server_does_not_reach_the_terminal(wsrouter):
    with bad_server(lambda websocket, number, message: websocket.close(4000, "\x1b[31mred")) as url:
        _, out, err = wsrouter("bench", url, "--time", "100ms", "-c", "1")

    assert "\x1b" not in out + err
    assert r"closed by the server: 4000 \x1b[31mred" in out


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A folder with cert.pem and key.pem that nobody vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=localhost"
    subprocess.run(words.split(), cwd=folder, check=True, capture_output=True)
    return folder


def test_a_certificate_that_nobody_vouches_for_is_named_and_n_believes_it(certificate, bench):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with bad_server(lambda *_: None, ssl=context) as url:
        secure = url.replace("ws:", "wss:")
        refused, figures, _ = bench(secure, "-c", "1", "-t", "50ms")
        believed, trusting, _ = bench(secure, "-c", "1", "-t", "50ms", "--no-check")

    assert (refused, {"cannot connect: the certificate is not believed: self-signed certificate; -n believes any": 1}) == (1, figures["errors"])
    assert (believed, {}) == (0, trusting["errors"])
    assert trusting["round_trip"]["count"] > 0


def test_tls_to_a_server_that_speaks_none_is_told_so(daemon, bench):
    code, figures, _ = bench(daemon(SITE).url("/echo").replace("ws:", "wss:"), "-c", "1")

    assert (code, ["cannot connect: what listens there speaks no TLS; write ws:// for wss://"]) == (1, list(figures["errors"]))


def test_a_unix_socket_is_an_address_too(daemon, bench, tmp_path):
    with TemporaryDirectory(prefix="wsr-") as folder:
        daemon(f"server: {{listen: 'unix:{folder}/ws.sock'}}\n{SITE}")
        code, figures, _ = bench(f"ws+unix:{folder}/ws.sock:/echo", "-c", "1", "-r", "100", "-t", "50ms")

    assert (code, 5) == (0, figures["messages"]["received"])


def test_a_message_in_fragments_and_a_ping_between_them_are_one_answer(bench):
    def split(websocket, number, message):
        websocket.ping()
        websocket.send([message[:10], message[10:]])
        return True

    with bad_server(split) as url:
        code, figures, _ = bench(url, "-c", "1", "-r", "100", "-t", "50ms")

    assert (code, 5) == (0, figures["round_trip"]["count"])
