"""`Handler`, the base class of what serves the messages of a route."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, dataclass_transform, get_args, get_origin

from wsrouter.api.causes import Cause
from wsrouter.api.connection import Connection
from wsrouter.api.context import Context
from wsrouter.api.errors import HandlerError
from wsrouter.api.handshake import Answer, HandshakeRequest
from wsrouter.api.messages import Message, Reply
from wsrouter.api.topics import TopicSettings

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # the type checker's own: PEP 696 defaults before Python 3.13

    MessageT = TypeVar("MessageT", str, bytes, Message, default=Message)
else:
    from typing import TypeVar

    MessageT = TypeVar("MessageT")


@dataclass_transform(kw_only_default=True)
class Handler(Generic[MessageT]):
    """Serves the messages of one route; one instance for all its connections.

    Annotated fields of a subclass are its options: `suffix: str = "!"` may be set in the site, a field without a default
    must be. `Handler[str]` takes text only and closes with 1003 on binary, `Handler[bytes]` the other way round.

    The life: constructed without effects, options set, `start`, then for each connection `on_handshake`, `on_open`, `on_message`…,
    `on_close`, and at the end `stop` (also after a `start` that failed). Each hook may be plain or `async`; async ones run
    in order, one at a time per connection.
    """

    accepts: ClassVar[type[str] | type[bytes] | None] = None
    """What `Handler[str]` or `Handler[bytes]` admits; None admits both."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Reads the type of message from `Handler[str]` in the bases."""
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), Handler):
                argument = get_args(base)[0]
                cls.accepts = argument if argument in (str, bytes) else None

    def __init__(self, **options: object) -> None:
        """Sets the options; those not given get their defaults, each instance its own copy.

        Raises:
            HandlerError: for an unknown option or a missing one.
        """
        names = option_names(type(self))
        for name in options:
            if name not in names:
                raise HandlerError(f"{type(self).__name__} has no option {name!r}; it has: {', '.join(names) or 'none'}")
        for name in names:
            if name in options:
                setattr(self, name, options[name])
            elif hasattr(type(self), name):
                setattr(self, name, copy.copy(getattr(type(self), name)))
            else:
                raise HandlerError(f"{type(self).__name__} needs the option {name!r}")

    def check(self) -> None:
        """Looks at the options together, without effects, when the site is checked; raise ValueError to refuse them."""

    def topics(self) -> Mapping[str, TopicSettings]:
        """The topics it will join, as templates, with their settings, so that routes can be held against each other."""
        return {}

    def start(self, context: Context) -> Awaitable[None] | None:
        """Opens what it needs; raise an exception to refuse to start."""
        return None

    def adopt(self, previous: object) -> None:
        """A reload changed this route: takes over state from the handler that served it before, of the same name in the site.

        Called after `start`, just before the first connection comes here; raise an exception to call the reload off.
        `previous` may be of an older version of the class, and with `on_change: keep` it goes on serving its open connections.
        """

    def on_handshake(self, request: HandshakeRequest) -> Answer | Awaitable[Answer]:
        """A client wants to come in, and the site lets it: None lets it in, `Refuse(status, why)` keeps it out.

        `Accept(subprotocol=…, headers=…)` says what the answer holds. It may have left before `on_open`: there is no `on_close` for it.
        """
        return None

    def on_open(self, connection: Connection) -> Awaitable[None] | None:
        """A connection was accepted; its messages wait until this is done."""
        return None

    def on_message(self, connection: Connection, message: MessageT) -> Reply | Awaitable[Reply]:
        """A message came; what this returns goes to the next step, and from the last step back to the client."""
        return message

    def on_close(self, connection: Connection, cause: Cause) -> Awaitable[None] | None:
        """A connection ended, with its cause; nothing can be sent any more."""
        return None

    def stop(self) -> Awaitable[None] | None:
        """Gives back what `start` took; must work after half a start."""
        return None


def option_names(handler: type[Handler[Message]] | type[object]) -> dict[str, object]:
    """The options of a handler class: its annotated public fields that are no ClassVar, base classes first, name to annotation."""
    found: dict[str, object] = {}
    for cls in reversed(handler.__mro__):
        if cls in (object, Generic, Handler):
            continue
        annotations = vars(cls).get("__annotations__", {})
        found |= {name: annotation for name, annotation in annotations.items() if not name.startswith("_") and "ClassVar" not in str(annotation)}
    return found
