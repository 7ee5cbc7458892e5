"""What a run came to: from events, over the wire between Locust's processes, and added up."""

from __future__ import annotations

import json
from typing import Any

from loadtest.recorder import Record, Recorder, load_record


def tell(recorder: Recorder, what: str, ms: float = 1.0, error: Exception | None = None, *, is_error: bool = True) -> None:
    recorder.on_request(
        request_type="WS", response_time=ms, exception=error, context={"what": what, "due_s": 1000.0, "is_error": error is not None and is_error}
    )


def faulty() -> Recorder:
    recorder = Recorder()
    recorder.on_opened(user=None)
    recorder.on_sent(user=None, due_s=1000.0, late_s=0.002)
    tell(recorder, "round_trip", 2000.0)
    tell(recorder, "lost", error=ValueError("lost"))
    tell(recorder, "unreadable", error=ValueError("unreadable"))
    tell(recorder, "connect", error=ConnectionError("refused with 503"))
    recorder.on_closed(user=None, cause="server 1011 handler_error", is_error=True)
    recorder.on_cut_off(user=None, count=3, is_error=True)
    return recorder


def test_a_latency_belongs_to_the_second_in_which_its_message_was_due() -> None:
    recorder = Recorder()
    tell(recorder, "round_trip", 2500.0)
    assert [recorder.second(1000.0)] == list(recorder.record.seconds)
    assert 2500.0 == recorder.record.times["round_trip"].percentile_ms(100)


def test_what_is_wrong_with_a_message_is_counted_by_its_name_and_all_else_as_an_error() -> None:
    record = faulty().record
    assert {"lost": 1, "errors": 6} == {what: record.counts[what] for what in ("lost", "errors")}
    assert {"connect: refused with 503", "unreadable", "closed: server 1011 handler_error", "cut off: unanswered when the connection was closed"} == set(
        record.errors
    )


def test_a_loss_that_is_expected_is_counted_and_no_error() -> None:
    recorder = Recorder()
    tell(recorder, "connect", error=ConnectionError("refused"), is_error=False)
    recorder.on_closed(user=None, cause="lost without a close frame", is_error=False)
    recorder.on_cut_off(user=None, count=2, is_error=False)
    assert {"connect_failed": 1, "closed": 1, "cut_off": 2} == dict(recorder.record.counts)


def test_other_peoples_requests_are_not_ours() -> None:
    recorder = Recorder()
    recorder.on_request(request_type="GET", response_time=1.0, exception=None, context={})
    assert not recorder.record.counts
    assert not recorder.record.times


def test_a_master_has_what_its_workers_saw_however_often_they_report() -> None:
    master, worker, other = Recorder(), Recorder(), faulty()
    for _ in range(3):
        tell(worker, "delivery", 5.0)
        report(worker, master)
    report(other, master)
    report(other, master)  # nothing new
    assert [3, 1] == [master.record.times[what].count for what in ("delivery", "round_trip")]
    assert 4 == master.record.counts["received"]
    assert {"server 1011 handler_error": 1} == dict(master.record.closes)


def report(worker: Recorder, master: Recorder) -> None:
    """As Locust does it: through a message of plain data."""
    data: dict[str, Any] = {}
    worker.on_report_to_master(data=data)
    master.on_worker_report(data=json.loads(json.dumps(data)))


def test_a_record_survives_a_file() -> None:
    record = faulty().record
    assert record.dump() == load_record(json.loads(json.dumps(record.dump()))).dump()


def test_merging_nothing_changes_nothing() -> None:
    record = faulty().record
    before = record.dump()
    record.merge(Record())
    assert before == record.dump()
