"""What makes a daemon reload by itself: SIGHUP. Saving files is in test_watcher and test_reload_process."""

from __future__ import annotations

import signal
import time

from support.client import connect

SITE = "routes: {/echo: echo}\n"


def test_a_signal_right_after_the_listening_line_reloads(daemon) -> None:
    running = daemon(SITE)
    running.send_signal(signal.SIGHUP)
    running.wait_for("reload.done")


def test_a_hundred_signals_in_a_second_are_two_reloads(daemon) -> None:
    running = daemon(SITE)
    for _ in range(100):
        running.send_signal(signal.SIGHUP)
        time.sleep(0.008)
    running.wait_for("reload.done", count=2)
    time.sleep(1.2)  # a third one would come now
    assert 2 == len(running.find_records("reload.done"))


def test_signals_while_it_stops_reload_nothing_and_do_not_end_it(daemon) -> None:
    running = daemon("server: {shutdown: {delay: 1s}}\n" + SITE)
    with connect(running.url("/echo")):
        running.send_signal(signal.SIGTERM)
        running.wait_for("stopping")
        for _ in range(20):
            running.send_signal(signal.SIGHUP)
    assert 0 == running.wait()
    assert [] == running.find_records("reload.done")
