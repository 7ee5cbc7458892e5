"""`MemoryConnection`: a client that remembers what it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from wsrouter.api.errors import HandlerError
from wsrouter.api.messages import Message, Sendable, to_message
from wsrouter.api.topics import TopicSettings
from wsrouter.testing.topics import MemoryTopics

_NUMBERS = count(1)


class MemoryConnection:
    """A `Connection` without a socket: `sent` holds what the client got, `closed` the code and reason it was closed with.

    `MemoryContext.connection` makes one that can join topics. As the real one, it ignores what is sent after it was closed.
    """

    def __init__(
        self,
        path: str = "/",
        *,
        route: str | None = None,
        params: Mapping[str, str | int] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        user: str | None = None,
        claims: Mapping[str, object] | None = None,
        peer: str = "127.0.0.1:50000",
        client: str = "127.0.0.1",
        subprotocol: str | None = None,
        opened_at: float = 0.0,
        topics: MemoryTopics | None = None,
    ) -> None:
        """Everything has a default; `route` is the path unless it is given."""
        self.id = f"{next(_NUMBERS):016x}"
        self.path = path
        self.route = path if route is None else route
        self.params: Mapping[str, str | int] = dict(params or {})
        self.query: Mapping[str, str] = dict(query or {})
        self.headers: Mapping[str, str] = _Headers(headers or {})
        self.user = user
        self.claims: Mapping[str, object] = dict(claims or {})
        self.peer = peer
        self.client = client
        self.subprotocol = subprotocol
        self.opened_at = opened_at
        self.data: dict[str, object] = {}
        self.sent: list[Message] = []
        self.closed: tuple[int, str] | None = None
        self._topics = topics

    def send(self, message: Sendable) -> None:
        """Remembers the message in `sent`, as it would go over the wire: a dict or list as JSON text."""
        if self.closed is None:
            self.sent.append(to_message(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Remembers code and reason in `closed`, the first ones only, and leaves all topics."""
        if self.closed is None:
            self.closed = (code, reason)
            if self._topics is not None:
                self._topics.leave_all(self)

    def join(self, topic: str, settings: TopicSettings | None = None) -> None:
        """Subscribes to a topic of its context; the history comes first."""
        if self.closed is None:
            self._get_topics().join(topic, self, settings)

    def leave(self, topic: str) -> None:
        """Ends a subscription."""
        self._get_topics().leave(topic, self)

    def _get_topics(self) -> MemoryTopics:
        """The topics it was made with; raises HandlerError if there are none."""
        if self._topics is None:
            raise HandlerError("this MemoryConnection has no topics; make it with MemoryContext.connection()")
        return self._topics


class _Headers(Mapping[str, str]):
    """Headers by name in any case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)
