from wsrouter.observe.limit import BURST, MAX_KINDS, Kind, RecordLimit


class Clock:
    """A clock that stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_limit():
    clock, pending = Clock(), []
    return clock, pending, RecordLimit(lambda: pending.append(clock.now), clock)


REFUSED = Kind("handshake.refused")


def test_a_burst_is_let_through_and_then_ten_a_second():
    clock, _, limit = make_limit()
    assert [0] * BURST + [None] * 10 == [limit.admit(REFUSED) for _ in range(BURST + 10)]
    clock.now += 0.5
    assert [10, 0, 0, 0, 0, None] == [limit.admit(REFUSED) for _ in range(6)]


def test_kinds_do_not_take_from_each_other():
    _, _, limit = make_limit()
    for _ in range(BURST + 1):
        limit.admit(Kind("handler.failed", "chatty"))
    assert (None, 0, 0) == (limit.admit(Kind("handler.failed", "chatty")), limit.admit(Kind("handler.failed", "quiet")), limit.admit(REFUSED))


def test_what_was_left_out_is_told_once_nothing_like_it_came_for_a_second():
    clock, pending, limit = make_limit()
    for _ in range(BURST + 3):
        limit.admit(REFUSED)
    assert ([1000.0], True, []) == (pending, limit.pending, limit.collect())
    clock.now += 0.09
    assert limit.admit(REFUSED) is None
    clock.now += 1.0
    assert [(REFUSED, 4)] == limit.collect()
    assert (False, [], 0) == (limit.pending, limit.collect(), limit.admit(REFUSED))


def test_at_the_end_everything_is_told_at_once():
    _, _, limit = make_limit()
    for _ in range(BURST + 3):
        limit.admit(REFUSED)
    assert [(REFUSED, 3)] == limit.collect(final=True)
    assert not limit.pending


def test_it_is_told_again_that_something_is_pending_after_all_was_told_of():
    clock, pending, limit = make_limit()
    for _ in range(BURST + 5):
        limit.admit(REFUSED)
    clock.now += 0.1
    assert 5 == limit.admit(REFUSED)
    assert limit.admit(REFUSED) is None
    assert [1000.0, 1000.1] == pending


def test_names_made_of_what_clients_send_share_a_bucket_and_memory_is_bounded():
    clock, _, limit = make_limit()
    admitted = sum(limit.admit(Kind(f"client {number} said")) is not None for number in range(10 * MAX_KINDS))
    assert MAX_KINDS + BURST == admitted
    assert MAX_KINDS + 1 >= len(limit._buckets)
    clock.now += 60
    assert 0 == limit.admit(Kind("client 100000 said")), "kinds of long ago make room"


def test_a_kind_is_not_forgotten_before_what_was_left_out_of_it_is_told():
    clock, _, limit = make_limit()
    for _ in range(BURST + 3):
        limit.admit(REFUSED)
    for number in range(MAX_KINDS - 1):
        limit.admit(Kind(f"kind {number}"))
    clock.now += 3600
    limit.admit(Kind("one more"))
    assert [(REFUSED, 3)] == limit.collect()
    assert not limit.pending
