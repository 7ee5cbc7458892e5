from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.api.topics import History, TopicSettings
from wsrouter.topics.topic import Topic


class Turns:
    """The loop: what was asked to run runs when the test says so."""

    def __init__(self):
        self.waiting = []

    def call_soon(self, function):
        self.waiting.append(function)

    def turn(self):
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


class Member:
    """A subscriber that notes each delivery as (messages, count)."""

    direct = None

    def __init__(self, variant=0, then=lambda member: None):
        self.variant = variant
        self.deliveries = []
        self.then = then

    def deliver(self, payload, messages):
        self.deliveries.append((payload, messages))
        assert payload.count(b";") == messages
        self.then(self)

    @property
    def heard(self):
        return [each.split(":", 1)[1] for payload, _ in self.deliveries for each in payload.decode().split(";")[:-1]]


class Encoder:
    """Encodes as `variant:message;` and counts."""

    def __init__(self):
        self.calls = []

    def __call__(self, message, variant):
        self.calls.append((message, variant))
        return f"{variant}:{message};".encode()


def make(history=None):
    turns, encoder = Turns(), Encoder()
    topic = Topic("t", TopicSettings(history), encode=encoder, call_soon=turns.call_soon, monotonic=lambda: 0.0)
    return topic, turns, encoder


def test_what_is_published_in_a_turn_is_one_delivery_at_its_end():
    topic, turns, _ = make()
    member = Member()
    topic.join(member)
    topic.publish("a")
    topic.publish("b")
    assert [] == member.deliveries
    turns.turn()
    assert [(b"0:a;0:b;", 2)] == member.deliveries
    turns.turn()
    assert 1 == len(member.deliveries)


def test_a_message_is_encoded_once_for_each_variant_and_every_member_gets_the_same_bytes():
    topic, turns, encoder = make()
    members = [Member(0), Member(0), Member(12), Member(12), Member(9)]
    for member in members:
        topic.join(member)
    topic.leave(members.pop())
    encoder.calls.clear()
    topic.publish("a")
    turns.turn()
    assert [("a", 0), ("a", 12)] == encoder.calls
    assert members[0].deliveries[0][0] is members[1].deliveries[0][0]
    assert members[2].deliveries[0][0] is members[3].deliveries[0][0]


def test_joining_twice_is_joining_once_and_strangers_may_leave():
    topic, turns, _ = make()
    member = Member()
    topic.leave(member)
    topic.join(member)
    topic.join(member)
    assert 1 == topic.members
    topic.publish("a")
    turns.turn()
    assert ["a"] == member.heard
    topic.leave(member)
    topic.leave(member)
    assert 0 == topic.members


def test_what_was_published_before_a_member_joins_is_not_for_it_and_goes_to_the_others_first():
    topic, turns, _ = make()
    old, new = Member(), Member()
    topic.join(old)
    topic.publish("before")
    topic.join(new)
    assert (["before"], []) == (old.heard, new.heard)
    topic.publish("after")
    turns.turn()
    assert (["before", "after"], ["after"]) == (old.heard, new.heard)


def test_what_was_published_before_a_member_leaves_reaches_it():
    topic, turns, _ = make()
    member = Member()
    topic.join(member)
    topic.publish("before")
    topic.leave(member)
    topic.publish("after")
    turns.turn()
    assert ["before"] == member.heard


def test_a_newcomer_gets_the_history_as_one_delivery_before_anything_live():
    topic, turns, _ = make(History(messages=2))
    member, newcomer = Member(), Member(12)
    topic.join(member)
    for message in "abc":
        topic.publish(message)
    topic.join(newcomer)
    topic.publish("d")
    turns.turn()
    assert [(b"12:b;12:c;", 2), (b"12:d;", 1)] == newcomer.deliveries
    assert ["a", "b", "c", "d"] == member.heard


def test_history_is_kept_while_nobody_is_there_and_nothing_is_encoded_then():
    topic, turns, encoder = make(History(messages=2))
    topic.publish("a")
    assert ([], []) == (turns.waiting, encoder.calls)
    member = Member()
    topic.join(member)
    assert ["a"] == member.heard


def test_who_is_excluded_misses_that_message_alone_and_the_history_keeps_it():
    topic, turns, _ = make(History(messages=10))
    one, two = Member(), Member()
    topic.join(one)
    topic.join(two)
    topic.publish("a", exclude=one)
    topic.publish("b")
    topic.publish("c", exclude=two)
    topic.publish("d", exclude=one)
    turns.turn()
    assert (["b", "c"], ["a", "b", "d"]) == (one.heard, two.heard)
    newcomer = Member()
    topic.join(newcomer)
    assert ["a", "b", "c", "d"] == newcomer.heard


def test_a_member_that_is_excluded_from_all_of_a_turn_gets_no_delivery():
    topic, turns, _ = make()
    member = Member()
    topic.join(member)
    topic.publish("a", exclude=member)
    turns.turn()
    assert [] == member.deliveries


def test_whoever_flushes_keeps_the_order_and_the_end_of_the_turn_brings_nothing_twice():
    topic, turns, _ = make()
    member = Member()
    topic.join(member)
    topic.publish("a")
    topic.flush()
    topic.publish("b")
    turns.turn()
    turns.turn()
    assert ["a", "b"] == member.heard


def test_members_may_leave_join_and_publish_while_they_get_a_delivery():
    topic, turns, _ = make()
    late = Member()

    def leave_and_call_another(member):
        topic.leave(member)
        topic.join(late)
        if len(member.deliveries) == 1:
            topic.publish("from within")

    first, second = Member(then=leave_and_call_another), Member()
    topic.join(first)
    topic.join(second)
    topic.publish("a")
    turns.turn()
    turns.turn()
    assert (["a"], ["a", "from within"]) == (first.heard, second.heard)
    assert ["from within"] == late.heard


def test_text_that_no_websocket_can_carry_is_refused_where_it_is_published():
    topic, turns, _ = make(History(messages=10))
    member = Member()
    topic.join(member)
    with pytest.raises(UnicodeEncodeError):
        topic.publish("\ud800")
    topic.publish("é")
    turns.turn()
    assert ["é"] == member.heard


actions = st.one_of(
    st.tuples(st.just("publish"), st.none() | st.integers(0, 4)),
    st.tuples(st.sampled_from(["join", "leave"]), st.integers(0, 4)),
    st.tuples(st.sampled_from(["turn", "flush"]), st.none()),
)


@given(st.lists(actions, max_size=60), st.sampled_from([None, 0, 1, 3, 1000]), st.lists(st.sampled_from([0, 9, 12]), min_size=5, max_size=5))
def test_every_member_hears_each_message_of_its_time_once_in_the_one_order_behind_the_history(steps, kept, variants):
    topic, turns, _ = make(None if kept is None else History(messages=kept))
    members = [Member(variant) for variant in variants]
    expected = [[] for _ in members]
    present, published = set(), []
    for number, (verb, who) in enumerate(steps):
        if verb == "publish":
            published.append(str(number))
            topic.publish(published[-1], exclude=None if who is None else members[who])
            for each in present - {who}:
                expected[each].append(published[-1])
        elif verb == "join":
            if who not in present:
                expected[who] += published[max(0, len(published) - kept) :] if kept else []
            present.add(who)
            topic.join(members[who])
        elif verb == "leave":
            present.discard(who)
            topic.leave(members[who])
        elif verb == "turn":
            turns.turn()
        else:
            topic.flush()
        assert len(present) == topic.members
        assert all(member.heard == wanted[: len(member.heard)] for member, wanted in zip(members, expected, strict=True))
    turns.turn()
    assert expected == [member.heard for member in members]


class TouchyMember(Member):
    """A member that counts how often it is looked at."""

    looks = 0

    def __hash__(self):
        self.looks += 1
        return id(self)

    def __eq__(self, other):
        self.looks += 1
        return self is other


def test_a_join_and_a_leave_look_at_no_other_member_however_many_there_are():
    topic, _, _ = make()
    others = [TouchyMember() for _ in range(1000)]
    for each in others:
        topic.join(each)
    before = [each.looks for each in others]
    newcomers = [TouchyMember() for _ in range(1000)]
    for newcomer in newcomers:
        topic.join(newcomer)
        topic.leave(newcomer)
    assert before == [each.looks for each in others]
    assert 1000 == topic.members


def test_a_member_that_is_closed_by_what_was_pending_when_it_left_is_counted_once():
    topic, _, _ = make()
    leaving, other = Member(then=topic.leave), Member()
    topic.join(leaving)
    topic.join(other)
    topic.publish("x")
    topic.leave(leaving)

    assert (["x"], ["x"]) == (leaving.heard, other.heard)
    assert topic.members == 1
