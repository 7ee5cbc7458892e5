"""[hot] One topic: its subscribers, the batch of this turn, its history.

Guarantees: every subscriber gets every message that is published while it is a member, once, in the one order in which
they were published; a newcomer gets the history before anything live, without gap or duplicate. A message is encoded
once per variant and joined once per turn, whatever the number of subscribers.
Loses: what is published while nobody is a member and no history is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from wsrouter.api.messages import Message
from wsrouter.api.topics import Encoder, Subscriber, TopicSettings
from wsrouter.topics.history import Kept


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
        self._groups: dict[int, dict[Subscriber, None]] = {}
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
        group = self._groups.setdefault(subscriber.variant, {})
        if subscriber in group:
            return
        self.flush()
        if self.history is not None:
            kept = self.history.messages()
            if kept:
                subscriber.deliver(self._joined(kept, subscriber.variant), len(kept))
        group[subscriber] = None
        self.members += 1

    def leave(self, subscriber: Subscriber) -> None:
        """Takes a subscriber out; what was published before still reaches it. Knows no subscriber: does nothing."""
        group = self._groups.get(subscriber.variant)
        if group is None or subscriber not in group:
            return
        self.flush()
        group.pop(subscriber, None)
        self.members -= 1

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
        for variant, group in self._groups.items():
            if not group:
                continue
            payload, count = self._joined(pending, variant), len(pending)
            # A copy: a subscriber that is closed by its delivery may leave at once. 3 ns a member.
            for subscriber in tuple(group):
                if excluded and subscriber in excluded:
                    self._deliver_rest(subscriber, pending, excluded[subscriber])
                else:
                    subscriber.deliver(payload, count)

    def _deliver_rest(self, subscriber: Subscriber, pending: list[Message], without: set[int]) -> None:
        rest = [message for index, message in enumerate(pending) if index not in without]
        if rest:
            subscriber.deliver(self._joined(rest, subscriber.variant), len(rest))

    def _joined(self, messages: list[Message], variant: int) -> bytes:
        encode = self._encode
        return b"".join([encode(message, variant) for message in messages])
