"""`broadcast`: rooms. What one client sends, all clients of the same topic get.

Guarantees: all members see the same order, each sender's own order is kept, and a newcomer gets the history before anything
live, without gap or duplicate.
Loses: delivery is at most once. A message does not reach a member whose connection ends before it has read it (closed as a
slow consumer, or gone); whoever connects again gets the history and no more. The history is in memory and ends with the
process. What clients send who may not publish is dropped, and counted in `ignored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Struct

from wsrouter import Allow, Cause, Connection, Context, Duration, Handler, History, Message, Option, OptionError, Size, Template, TopicSettings, Values

NOT_IN_TOPICS = frozenset({"now", "n", "connections", "message"})
"""Placeholders that change while a connection lasts; a topic is expanded once, when it opens."""


class HistoryOption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is kept for newcomers; the first bound that is passed drops the oldest message."""

    messages: Annotated[Annotated[int, Option(ge=1)] | None, Option(description="How many messages are kept.")] = None
    age: Annotated[Duration, Option(gt=0, description="How long a message is kept.")] = 3600.0
    size: Annotated[Annotated[Size, Option(ge=1)] | None, Option(description="How many bytes of messages are kept.")] = None


def to_history(option: int | HistoryOption | None) -> History | None:
    """The option `history` as topics take it: a number is that many messages."""
    if option is None:
        return None
    if isinstance(option, int):
        return History(messages=option)
    return History(messages=option.messages, age_s=option.age, size_bytes=option.size)


def may(option: bool | Allow, connection: Connection) -> bool:
    """Whether a client may do what an option is about."""
    return option if isinstance(option, bool) else option.admits(connection.user, connection.claims, connection.params)


def chosen_by_clients(allow: Allow) -> str | None:
    """A placeholder of the user that stands for what a client says of itself, rather than for a part of the path."""
    users = allow.user if isinstance(allow.user, list) else [allow.user] if allow.user is not None else []
    roots = {"query", "user", "claims", "connections", *NOT_IN_TOPICS}
    return next((placeholder.name for user in users for placeholder in user.placeholders if placeholder.root in roots), None)


class Broadcast(Handler[Message]):
    """Sends each message to all clients of the same topic: a chat room, a feed, a shared document."""

    topic: Annotated[Template, Option(description="The topic that a client joins and publishes to; clients of equal topics hear each other, on any route.")] = (
        Template("{path}")
    )
    history: Annotated[
        Annotated[int, Option(ge=1)] | HistoryOption | None,
        Option(description="How many messages a newcomer gets first: a number, or {messages, age, size}."),
    ] = None
    to_sender: Annotated[bool, Option(description="Whether a sender gets its own messages too; they are in the history in any case.")] = True
    publish: Annotated[bool | Allow, Option(description="Whether clients may send, or which as {user, roles, claims}; what others send is dropped.")] = True
    subscribe: Annotated[
        bool | Allow, Option(description="Whether clients receive, or which as {user, roles, claims}; false is for a backend that only sends.")
    ] = True
    topics_: Annotated[
        int,
        Option(
            ge=1,
            description="The most topics that the route has at once. For one more, that which was left first is forgotten with its history; a client that finds all of them in use is closed with 1013.",
        ),
    ] = 10000

    ignored = 0  # messages of clients that may not publish

    def check(self) -> None:
        """Refuses options that leave nothing to do, a topic that changes, a history without a bound on its memory."""
        if self.publish is False and self.subscribe is False:
            raise OptionError("publish: false and subscribe: false leave nothing to do; delete one of them", "subscribe")
        for name, option in (("publish", self.publish), ("subscribe", self.subscribe)):
            if isinstance(option, Allow) and (chosen := chosen_by_clients(option)):
                raise OptionError(f"{{{chosen}}} is not of the path: any client could choose it; use path parameters", name)
        for placeholder in self.topic.placeholders:
            if placeholder.root in NOT_IN_TOPICS:
                raise OptionError(
                    f"{{{placeholder.name}}} changes, a topic must not; use path parameters, path, query.x, user or claims.x", "topic", placeholder.offset
                )
        if isinstance(self.history, HistoryOption) and self.history.messages is None and self.history.size is None:
            raise OptionError("a history bound by age only may fill the memory; add messages or size", "history")

    def topics(self) -> Mapping[str, TopicSettings]:
        """Its one topic."""
        return {str(self.topic.source): TopicSettings(to_history(self.history))}

    def start(self, context: Context) -> None:
        """Begins with no topics."""
        self._context = context
        self._settings = TopicSettings(to_history(self.history))
        self._by_path = self.topic == Template("{path}")
        self._names: dict[str, str] = {}  # connection id -> topic; empty while topics are paths, to keep connections small
        self._refused: set[str] = set()
        self._members: dict[str, int] = {}
        self._empty: dict[str, float] = {}  # topics that only their history keeps -> when that is past its age, oldest first

    def on_open(self, connection: Connection) -> None:
        """Joins the topic, or closes the client whose topic is one too many."""
        topic = self._expand(connection)
        if not self._admit(topic):
            self._refused.add(connection.id)
            connection.close(1013, "too many topics")
            return
        if not self._by_path:
            self._names[connection.id] = topic
        self._members[topic] = self._members.get(topic, 0) + 1
        if may(self.subscribe, connection):
            connection.join(topic, self._settings)

    def on_message(self, connection: Connection, message: Message) -> None:
        """Publishes it; the chain ends here."""
        if self.publish is not True and not may(self.publish, connection):
            self.ignored += 1
            return
        topic = self._find(connection)
        if topic is not None:
            self._context.publish(topic, message, sender=connection, to_sender=self.to_sender, settings=self._settings)

    def on_close(self, connection: Connection, cause: Cause) -> None:
        """Counts it out; its subscription has ended by itself."""
        topic = self._find(connection)
        self._names.pop(connection.id, None)
        if topic is None:
            self._refused.discard(connection.id)
            return
        self._members[topic] -= 1
        if self._members[topic] == 0:
            del self._members[topic]
            if self._settings.history is not None:
                self._empty[topic] = self._context.clock.monotonic() + self._settings.history.age_s

    def _expand(self, connection: Connection) -> str:
        """The topic of a connection that opens."""
        if self._by_path:
            return connection.path
        return self.topic.text(Values(connection, clock=self._context.clock))

    def _find(self, connection: Connection) -> str | None:
        """The topic of a connection, or None if it was refused."""
        if not self._by_path:
            return self._names.get(connection.id)
        if self._refused and connection.id in self._refused:
            return None
        return connection.path

    def _admit(self, topic: str) -> bool:
        """Whether there is room for this topic. Those that only their histories keep make it, the one first that was left first."""
        if topic in self._members or self._empty.pop(topic, None) is not None:
            return True
        now_s = self._context.clock.monotonic()
        while self._empty and next(iter(self._empty.values())) <= now_s:
            del self._empty[next(iter(self._empty))]
        while self._empty and len(self._members) + len(self._empty) >= self.topics_:
            left = next(iter(self._empty))
            del self._empty[left]
            self._context.forget(left)
            self._context.log.info("topic.forgotten", topic=left, topics=self.topics_, fix="raise the option topics")
        return len(self._members) < self.topics_
