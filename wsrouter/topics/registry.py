"""All topics of a site, by name. They outlive generations: members, history and order stay when a route changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wsrouter.api.messages import Message
from wsrouter.api.topics import Encoder, Subscriber, TopicSettings
from wsrouter.topics.topic import Topic

PLAIN = TopicSettings()


class Topics:
    """Makes topics when they are first needed and frees those that nobody can hear of any more.

    Where two callers give different settings for one name, the first one's stay; the site's check has told of it. After a
    reload, `begin_epoch`, the first one to give others sets them.
    """

    def __init__(
        self,
        *,
        encode: Encoder,
        call_soon: Callable[[Callable[[], None]], object],
        call_later: Callable[[float, Callable[[], None]], object],
        monotonic: Callable[[], float],
    ) -> None:
        """`call_later` takes seconds and a function; `monotonic` measures the age of histories."""
        self._encode = encode
        self._call_soon = call_soon
        self._call_later = call_later
        self._monotonic = monotonic
        self._epoch = 0
        self._topics: dict[str, Topic] = {}
        self._expiring: set[Topic] = set()  # those that a timer is to look at: one each, however often members come and go

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def __len__(self) -> int:
        return len(self._topics)

    def find(self, name: str) -> Topic | None:
        """The topic of this name, if there is one."""
        return self._topics.get(name)

    def join(self, name: str, subscriber: Subscriber, settings: TopicSettings | None = None) -> Topic:
        """Subscribes, making the topic where it is not there yet."""
        topic = self._topics.get(name) or self._make(name, settings or PLAIN)
        if settings is not None and settings != topic.settings and topic.epoch != self._epoch:
            topic.change(settings)
            topic.epoch = self._epoch
        topic.join(subscriber)
        return topic

    def begin_epoch(self) -> None:
        """The site was reloaded: whoever joins a topic with other settings than it has may set them, once."""
        self._epoch += 1

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Ends a subscription, and frees the topic if that was the last one and nothing is kept."""
        topic.leave(subscriber)
        if not topic.members:
            self._free_when_past(topic)

    def publish(self, name: str, message: Message, exclude: Subscriber | None = None, settings: TopicSettings | None = None) -> None:
        """Publishes to a topic. One that is not there is made only where `settings` keep a history: else nobody could hear it."""
        topic = self._topics.get(name)
        if topic is None:
            if settings is None or settings.history is None:
                return
            topic = self._make(name, settings)
            topic.publish(message)
            self._free_when_past(topic)
            return
        topic.publish(message, exclude)

    def forget(self, name: str) -> None:
        """Frees a topic that only its history keeps; does nothing for another."""
        if not self.members(name):
            self._topics.pop(name, None)

    def members(self, name: str) -> int:
        """How many subscribers a topic has; zero for one that is not there."""
        topic = self._topics.get(name)
        return topic.members if topic is not None else 0

    def _make(self, name: str, settings: TopicSettings) -> Topic:
        topic = Topic(name, settings, encode=self._encode, call_soon=self._call_soon, monotonic=self._monotonic)
        topic.epoch = self._epoch
        self._topics[name] = topic
        return topic

    def _free_when_past(self, topic: Topic) -> None:
        if topic.members or self._topics.get(topic.name) is not topic:
            return
        left_s = topic.history.expires_in_s() if topic.history is not None else 0.0
        if left_s <= 0:
            del self._topics[topic.name]
        elif topic not in self._expiring:
            self._expiring.add(topic)
            self._call_later(left_s + 0.01, lambda: self._look_again(topic))

    def _look_again(self, topic: Topic) -> None:
        self._expiring.discard(topic)
        self._free_when_past(topic)
