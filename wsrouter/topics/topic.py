"""[hot] One topic: its subscribers, the batch of this turn, its history.

Guarantees: every subscriber gets every message that is published while it is a member, once, in the one order in which
they were published; a newcomer gets the history before anything live, without gap or duplicate. A message is encoded
once per variant and joined once per turn, whatever the number of subscribers.
Loses: what is published while nobody is a member and no history is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from wsrouter.api.messages import Message
from wsrouter.api.topics import Direct, Encoder, Subscriber, TopicSettings
from wsrouter.topics.history import Kept


class Group:
    """The members that take one encoding: those that are written to directly, in one loop over their system calls, and the others.

    Counters of the members, and looks at what waits for each, are not in that loop, nor anything else of a member: to fetch 1,000 of
    them into the cache costs 0.2 us a delivery of 3.4, to write past their transports another 0.35; with 9,000 it is 0.5 and 1.4 of 8.8.
    """

    __slots__ = ("direct", "messages", "others", "size_bytes")

    def __init__(self) -> None:
        self.direct: dict[Direct, Subscriber] = {}
        self.others: dict[Subscriber, None] = {}
        self.messages = self.size_bytes = 0  # what was delivered; a direct member's share is what came since it became one

    def __contains__(self, member: Subscriber) -> bool:
        return member in self.others or member.direct in self.direct

    def add(self, member: Subscriber) -> None:
        """Begins to deliver to it."""
        if member.direct is None:
            self.others[member] = None
        else:
            self.direct[member.direct] = member
            member.count(-self.messages, -self.size_bytes)

    def discard(self, member: Subscriber) -> None:
        """Ends that; its share is counted."""
        self.others.pop(member, None)
        if member.direct is not None and self.direct.pop(member.direct, None) is not None:
            member.count(self.messages, self.size_bytes)

    def write(self, payload: bytes, messages: int) -> None:
        """Delivers to those that are written to directly."""
        self.messages += messages
        self.size_bytes += len(payload)
        size_bytes = len(payload)
        for write in tuple(self.direct):  # a copy: whoever does not take it all is no more among them. 3 ns a member
            try:
                taken = write(payload)
            except OSError as error:
                self.direct[write].not_taken(payload, error)
            else:
                if taken != size_bytes:
                    self.direct[write].not_taken(payload[taken:], None)


class Topic:
    """A named stream of messages. Made by `Topics`, which also frees it."""

    __slots__ = ("_call_soon", "_encode", "_excluded", "_groups", "_monotonic", "epoch", "history", "members", "name", "pending", "settings")

    def __init__(
        self,
        name: str,
        settings: TopicSettings,
        *,
        encode: Encoder,
        call_soon: Callable[[Callable[[], None]], object],
        monotonic: Callable[[], float],
    ) -> None:
        """`call_soon` runs a function at the next turn of the loop."""
        self.name = name
        self.settings = settings
        self.epoch = 0  # of `Topics`, when its settings were set
        self.history = Kept(settings.history, monotonic) if settings.history is not None else None
        self.members = 0
        self.pending: list[Message] = []
        self._excluded: dict[Subscriber, set[int]] = {}
        self._groups: dict[int, Group] = {}
        self._encode = encode
        self._call_soon = call_soon
        self._monotonic = monotonic

    def change(self, settings: TopicSettings) -> None:
        """Goes on with other settings; what is kept stays, as far as they allow."""
        self.settings = settings
        if settings.history is None:
            self.history = None
        elif self.history is None:
            self.history = Kept(settings.history, self._monotonic)
        else:
            self.history.bound(settings.history)

    def join(self, subscriber: Subscriber) -> None:
        """Adds a subscriber and delivers the history to it; what is pending goes to the others first."""
        group = self._groups.setdefault(subscriber.variant, Group())
        if subscriber in group:
            return
        self.flush()
        if self.history is not None:
            kept = self.history.messages()
            if kept:
                subscriber.deliver(self._joined(kept, subscriber.variant), len(kept))
        group.add(subscriber)
        self.members += 1

    def leave(self, subscriber: Subscriber) -> None:
        """Takes a subscriber out; what was published before still reaches it. Knows no subscriber: does nothing."""
        group = self._groups.get(subscriber.variant)
        if group is None or subscriber not in group:
            return
        self.flush()
        if subscriber in group:  # a delivery may have closed it
            group.discard(subscriber)
            self.members -= 1

    def hold(self, subscriber: Subscriber) -> None:
        """Delivers to a member by `deliver` from now on; called while it still has its `direct`."""
        group = self._groups[subscriber.variant]
        group.discard(subscriber)
        group.others[subscriber] = None

    def release(self, subscriber: Subscriber) -> None:
        """Delivers to a member by its `direct` from now on."""
        group = self._groups[subscriber.variant]
        del group.others[subscriber]
        group.add(subscriber)

    def counted(self, subscriber: Subscriber) -> tuple[int, int]:
        """How many messages and bytes were written to a member by its `direct`, added to what it was told to count."""
        group = self._groups[subscriber.variant]
        return (group.messages, group.size_bytes) if subscriber.direct in group.direct else (0, 0)

    def publish(self, message: Message, exclude: Subscriber | None = None) -> None:
        """Sends a message to all subscribers, but `exclude`, at the end of this turn.

        Raises:
            UnicodeEncodeError: if it is text with a lone surrogate, which no WebSocket can carry.
        """
        if type(message) is str and not message.isascii():  # isascii is one look at a flag
            message.encode()
        if self.history is not None:
            self.history.append(message)
        if not self.members:
            return
        if not self.pending:
            self._call_soon(self.flush)
        if exclude is not None:
            self._excluded.setdefault(exclude, set()).add(len(self.pending))
        self.pending.append(message)

    def flush(self) -> None:
        """Delivers what is pending, now. Whoever writes to a subscriber by another way calls this first, to keep the order."""
        pending = self.pending
        if not pending:
            return
        excluded = self._excluded
        self.pending, self._excluded = [], {}
        for subscriber in excluded:
            self._hold_excluded(subscriber)
        for variant, group in self._groups.items():
            if not group.direct and not group.others:
                continue
            payload, count = self._joined(pending, variant), len(pending)
            others = tuple(group.others)  # who does not take all of the direct write is among them afterwards; one that is closed leaves at once
            group.write(payload, count)
            for subscriber in others:
                if subscriber in excluded:
                    self._deliver_rest(subscriber, pending, excluded[subscriber])
                else:
                    subscriber.deliver(payload, count)

    def _hold_excluded(self, subscriber: Subscriber) -> None:
        """It does not get what the others get: `_deliver_rest` delivers to it."""
        group = self._groups.get(subscriber.variant)
        if group is not None and subscriber.direct in group.direct:
            self.hold(subscriber)

    def behind(self) -> int:
        """How many of its subscribers have not taken yet what was delivered before."""
        return sum(subscriber.is_behind for group in self._groups.values() for subscriber in group.others)

    def _deliver_rest(self, subscriber: Subscriber, pending: list[Message], without: set[int]) -> None:
        rest = [message for index, message in enumerate(pending) if index not in without]
        if rest:
            subscriber.deliver(self._joined(rest, subscriber.variant), len(rest))
        if subscriber.direct is not None and subscriber in self._groups[subscriber.variant].others:
            self.release(subscriber)

    def _joined(self, messages: list[Message], variant: int) -> bytes:
        encode = self._encode
        return b"".join([encode(message, variant) for message in messages])
