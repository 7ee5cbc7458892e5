"""`MemoryTopics`: members and histories of topics, in memory, with the guarantees of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from wsrouter.api.messages import Message, Sendable, to_message
from wsrouter.api.topics import History, TopicSettings


class Member(Protocol):
    """Who may join: something that takes messages."""

    def send(self, message: Sendable) -> None:
        """Takes a message."""


@dataclass(slots=True)
class _Topic:
    """One topic: who listens, and what is kept, as pairs of time and message, oldest first."""

    settings: TopicSettings
    members: list[Member] = field(default_factory=list)
    kept: list[tuple[float, Message]] = field(default_factory=list)


class MemoryTopics:
    """Topics by name. The first settings that a topic is made with stay; times are those of `monotonic`, in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` gives the time that histories age by."""
        self._monotonic = monotonic
        self._topics: dict[str, _Topic] = {}

    def names(self) -> list[str]:
        """The topics that have members or a history, in the order in which they were made."""
        for name in list(self._topics):
            self._free(name)
        return list(self._topics)

    def members(self, name: str) -> int:
        """How many are subscribed."""
        return len(self._topics[name].members) if name in self._topics else 0

    def history(self, name: str) -> list[Message]:
        """What a newcomer would get, oldest first."""
        if name not in self._topics:
            return []
        topic = self._topics[name]
        self._trim(topic)
        return [message for _, message in topic.kept]

    def join(self, name: str, member: Member, settings: TopicSettings | None = None) -> None:
        """Subscribes, and sends the history first; joining twice is joining once."""
        topic = self._topics.setdefault(name, _Topic(settings or TopicSettings()))
        if any(member is other for other in topic.members):
            return
        for message in self.history(name):
            member.send(message)
        topic.members.append(member)

    def leave(self, name: str, member: Member) -> None:
        """Ends a subscription."""
        if name in self._topics:
            topic = self._topics[name]
            topic.members = [other for other in topic.members if other is not member]
            self._free(name)

    def leave_all(self, member: Member) -> None:
        """Ends all subscriptions."""
        for name in list(self._topics):
            self.leave(name, member)

    def forget(self, name: str) -> None:
        """Frees a topic without members, whatever is kept of it."""
        if not self.members(name):
            self._topics.pop(name, None)

    def publish(self, name: str, message: Sendable, *, without: Member | None = None, settings: TopicSettings | None = None) -> None:
        """Sends to all members but `without`, in the order in which they joined; a topic is made only where settings keep a history."""
        if name not in self._topics and settings is not None and settings.history is not None:
            self._topics[name] = _Topic(settings)
        if name not in self._topics:
            return
        topic, whole = self._topics[name], to_message(message)
        if topic.settings.history is not None:
            topic.kept.append((self._monotonic(), whole))
            self._trim(topic)
        for member in list(topic.members):
            if member is not without:
                member.send(whole)

    def _trim(self, topic: _Topic) -> None:
        """Drops what is past a bound, oldest first."""
        history = topic.settings.history
        while history is not None and topic.kept and self._is_past(topic, history):
            del topic.kept[0]

    def _is_past(self, topic: _Topic, history: History) -> bool:
        """Whether the oldest message has to go."""
        too_many = history.messages is not None and len(topic.kept) > history.messages
        too_old = topic.kept[0][0] + history.age_s <= self._monotonic()
        too_big = history.size_bytes is not None and sum(_size_bytes(message) for _, message in topic.kept) > history.size_bytes
        return too_many or too_old or too_big

    def _free(self, name: str) -> None:
        """Forgets a topic without members and history."""
        topic = self._topics[name]
        self._trim(topic)
        if not topic.members and not topic.kept:
            del self._topics[name]


def _size_bytes(message: Message) -> int:
    """The length of a message as it goes over the wire."""
    return len(message.encode() if isinstance(message, str) else message)
