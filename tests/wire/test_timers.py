from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.wire import ManualLoop
from wsrouter.wire.timers import Timers


class Item:
    """Something timed, which notes when it was looked at and answers what the test says."""

    def __init__(self, *answers):
        self.slot = 0
        self.seen = []
        self.answers = list(answers)
        self.then = lambda: None

    def on_time(self, now):
        self.seen.append(now)
        self.then()
        return self.answers.pop(0) if self.answers else None


def make():
    loop = ManualLoop()
    return loop, Timers(loop.time, loop.call_at)


def test_an_item_is_looked_at_once_never_early_and_at_most_a_tenth_of_a_second_late():
    loop, timers = make()
    item = Item()
    timers.set(item, loop.time() + 1.23)

    loop.advance(1.22)
    assert [] == item.seen
    loop.advance(0.12)
    assert len(item.seen) == 1
    assert 1001.23 <= item.seen[0] <= 1001.33
    loop.advance(100)
    assert len(item.seen) == 1


def test_an_item_that_wants_to_be_looked_at_at_once_does_not_hold_up_the_loop():
    loop, timers = make()
    item, other = Item(), Item()
    item.then = lambda: len(item.seen) < 5 and timers.sooner(item, item.seen[-1])
    timers.set(item, 1000.0)  # a moment that is a slot: what is due at once is in the same one
    timers.set(other, 1000.0)
    timers._run()
    assert [1, 1] == [len(item.seen), len(other.seen)]
    loop.advance(1)
    assert [5, 1] == [len(item.seen), len(other.seen)]


def test_after_the_loop_stood_still_nobody_is_looked_at_before_sockets_had_their_turn():
    loop, timers = make()
    item = Item()
    timers.set(item, loop.time() + 1)
    loop._now += 30
    loop.advance(0)
    newcomer = Item()
    timers.set(newcomer, loop.time() + 0.01)
    loop.advance(0.05)
    assert [] == item.seen
    loop.advance(0.1)
    assert [1, 1] == [len(item.seen), len(newcomer.seen)]
    timers.set(item, loop.time() + 1)
    loop.advance(1.1)
    assert 2 == len(item.seen)


def test_setting_again_moves_the_item_both_ways():
    loop, timers = make()
    item = Item()
    timers.set(item, loop.time() + 5)
    timers.set(item, loop.time() + 9)
    loop.advance(8)
    assert [] == item.seen
    timers.set(item, loop.time() + 0.5)
    loop.advance(0.6)
    assert len(item.seen) == 1


def test_sooner_moves_only_to_an_earlier_moment():
    loop, timers = make()
    item = Item()
    timers.sooner(item, loop.time() + 5)
    timers.sooner(item, loop.time() + 9)
    loop.advance(5.1)
    assert len(item.seen) == 1


def test_a_discarded_item_is_not_looked_at_and_may_be_discarded_twice():
    loop, timers = make()
    item = Item()
    timers.set(item, loop.time() + 1)
    timers.discard(item)
    timers.discard(item)
    loop.advance(5)
    assert [] == item.seen


def test_what_an_item_answers_is_its_next_moment():
    loop, timers = make()
    item = Item(1002.0, 1004.0)
    timers.set(item, loop.time() + 1)
    loop.advance(10)
    assert [1001.0, 1002.0, 1004.0] == item.seen


def test_an_item_that_answers_a_moment_of_the_past_is_looked_at_again_in_a_later_run_and_does_not_hold_up_the_loop():
    loop, timers = make()
    item = Item(*[1001.0] * 5)
    timers.set(item, loop.time() + 1)
    loop.advance(0.9)
    loop.advance(0.1)  # a run that never ended would hang here
    assert 1 <= len(item.seen) <= 2
    loop.advance(10)
    assert 6 == len(item.seen)
    assert sorted(set(item.seen)) == item.seen


def test_an_item_that_another_one_of_its_moment_discards_is_not_looked_at():
    loop, timers = make()
    first, second = Item(), Item()
    first.then = lambda: timers.discard(second)
    second.then = lambda: timers.discard(first)
    timers.set(first, loop.time() + 1)
    timers.set(second, loop.time() + 1)
    loop.advance(2)
    assert 1 == len(first.seen) + len(second.seen)


def test_an_item_that_another_one_of_its_moment_moves_is_looked_at_at_its_new_moment():
    loop, timers = make()
    first, second = Item(), Item()
    first.then = lambda: None if second.seen else timers.set(second, 1005.0)
    second.then = lambda: None if first.seen else timers.set(first, 1005.0)
    timers.set(first, loop.time() + 1)
    timers.set(second, loop.time() + 1)
    loop.advance(10)
    assert [1001.0, 1005.0] == sorted(first.seen + second.seen)


def test_items_of_one_tenth_share_one_timer_of_the_loop():
    loop, timers = make()
    handles = []
    timers._call_at = lambda moment, function: handles.append(moment) or loop.call_at(moment, function)
    items = [Item() for _ in range(1000)]
    for item in items:
        timers.set(item, loop.time() + 1)
    assert [1001.0] == handles
    loop.advance(1)
    assert all(len(item.seen) == 1 for item in items)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["set", "sooner", "discard", "advance"]), st.floats(0, 5)), max_size=40))
def test_whatever_is_set_moved_and_discarded_every_item_is_looked_at_when_its_moment_has_come_and_never_before(steps):
    loop, timers = make()
    items = [Item() for _ in range(10)]
    due = {}
    for number, verb, seconds in steps:
        item = items[number]
        moment = loop.time() + seconds
        if verb == "set":
            timers.set(item, moment)
            due[number] = moment
        elif verb == "sooner":
            timers.sooner(item, moment)
            due[number] = min(moment, due.get(number, moment))
        elif verb == "discard":
            timers.discard(item)
            due.pop(number, None)
        else:
            before = [len(each.seen) for each in items]
            loop.advance(seconds)
            for each, moment_due in list(due.items()):
                looks = items[each].seen[before[each] :]
                assert len(looks) <= 1
                assert all(look >= moment_due - 1e-6 for look in looks)
                assert looks or loop.time() < moment_due + 0.1 + 1e-6
                if looks:
                    del due[each]
