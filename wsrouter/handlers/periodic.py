"""`periodic`: a message at fixed times, the same for all who listen to the same thing.

Guarantees: one production for each distinct topic, started with its first listener and stopped with its last, so that a
thousand listeners cost one timer. Times do not drift: the k-th message of `every` is due at start + k * every, by the
monotonic clock; those of `cron` follow the wall clock in the given time zone, also across daylight saving.
Loses: times that pass while the process is held up are skipped, never made up for in a burst: one late message, then the
next time that is still to come. `n` counts what was sent. What clients send is dropped, and counted in `ignored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from itertools import count
from typing import Annotated

import orjson

from wsrouter import Background, Cause, Connection, Context, Duration, Handler, Message, Option, OptionError, Template, TopicSettings, Values

CRON_NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST_SLEEP_S = 60.0
"""How soon `cron` notices that the wall clock was set."""

_INSTANCES = count(1)
"""Each handler has topics of its own: after a reload the old one and the new one both send, each to its own listeners."""
OF_THE_MOMENT = frozenset({"now", "n", "connections"})
"""Placeholders that all listeners share; every other one tells listeners apart."""

OF_THE_CLIENT = frozenset({"user", "query", "claims"})
"""Placeholders that the path does not decide."""


def next_tick(k: int, elapsed_s: float, every_s: float) -> int:
    """The number of the next tick: after `k`, and not one whose time has passed."""
    return max(k + 1, int(elapsed_s // every_s) + 1)


def parse_timezone(name: str) -> tzinfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: if there is none of that name.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # reads files, and is needed by few

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; a path out of the folder; a folder
        raise ValueError(f"there is no time zone {name!r}; write an IANA name such as Europe/Paris, or UTC") from None


def next_cron(expression: str, now: datetime, zone: tzinfo) -> datetime | None:
    """The first time after `now` at which a cron expression is due, in UTC; None if there is none within 50 years.

    Five fields as in cron, or six with seconds first, or a name such as `@hourly`.

    Raises:
        ValueError: if it is no cron expression.
    """
    from cronsim import CronSim, CronSimError  # only for those who use cron

    try:
        times: Iterator[datetime] = CronSim(CRON_NAMES.get(expression.strip().lower(), expression), now.astimezone(zone))
    except (CronSimError, AssertionError) as error:
        raise ValueError(
            f"{expression!r} is no cron expression ({str(error).lower() or 'bad field'}); write five fields, six with seconds first, or @hourly, @daily, …"
        ) from None
    # A daily time in the hour that the clocks repeat is given once, as its first occurrence, which may be over already.
    return next((due for due in (time.astimezone(UTC) for time in times) if due > now), None)


def varying(templates: list[Template]) -> list[str]:
    """The placeholders by which one listener's messages may differ from another's, sorted, each once."""
    return sorted({placeholder.name for template in templates for placeholder in template.placeholders if placeholder.root not in OF_THE_MOMENT})


def to_text(value: object) -> str:
    """What a filled template is sent as: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class _Production:
    """What is sent to one topic: its listeners, how many messages there were, and its task."""

    __slots__ = ("listeners", "n", "name", "task", "topic")

    def __init__(self, name: str, topic: str) -> None:
        self.name = name
        self.topic = topic
        self.listeners: dict[str, Connection] = {}  # by connection id
        self.n = 0
        self.task: Background | None = None


class Periodic(Handler[Message]):
    """Sends a message at fixed times: a clock, a heartbeat, a reminder."""

    message: Annotated[
        list[Template] | Template,
        Option(description="What is sent: text, a structure that goes as JSON, or a list of these, taken in turn.", extra={"placeholders": ["n"]}),
    ]
    every: Annotated[Annotated[Duration, Option(ge=0.001)] | None, Option(description="The time between two messages; either this or cron.")] = None
    cron: Annotated[str | None, Option(description='When, as a cron expression: five fields, six with seconds first, or "@hourly" and the like.')] = None
    timezone: Annotated[str, Option(description="The time zone of cron, as Europe/Paris.")] = "UTC"
    at_open: Annotated[bool, Option(description="Whether a newcomer gets one message at once.")] = False
    topic: Annotated[
        Template | None,
        Option(
            description="Listeners of equal topics share one production; without it those whose path and placeholders are equal do. "
            "After a reload on on_change: keep, the old and the new handler both send to it."
        ),
    ] = None

    ignored = 0  # messages of clients, which nobody reads

    def check(self) -> None:
        """Refuses a schedule that cannot be kept, and a topic that would mix messages of different listeners."""
        self._check_schedule()
        if not self._templates():
            raise OptionError("an empty list of messages; write at least one", "message")
        if self.topic is not None:
            self._check_topic(self.topic)

    def topics(self) -> Mapping[str, TopicSettings]:
        """The topic that it may share with others, which keeps no history."""
        return {} if self.topic is None else {str(self.topic.source): TopicSettings()}

    def start(self, context: Context) -> None:
        """Begins with no productions."""
        self._context = context
        self._instance = next(_INSTANCES)
        self._messages = self._templates()
        self._key = [name for name in varying(self._messages) if name.partition(".")[0] in OF_THE_CLIENT]
        self._productions: dict[str, _Production] = {}
        self._listening: dict[str, _Production] = {}  # connection id -> what it listens to

    def on_open(self, connection: Connection) -> None:
        """Joins the production, and starts it for its first listener."""
        name = self._expand(connection)
        production = self._productions.get(name)
        first = production is None
        if production is None:
            production = _Production(name, name if self.topic is not None else f"{name}#{self._instance}")
            self._try(connection)
        production.listeners[connection.id] = connection
        self._listening[connection.id] = production
        self._productions[name] = production
        connection.join(production.topic, TopicSettings())
        if self.at_open:
            production.n = max(production.n, 1)
            connection.send(self._render(production))
        if first:
            self._start(production)

    def on_message(self, connection: Connection, message: Message) -> None:
        """Drops it."""
        self.ignored += 1

    def on_close(self, connection: Connection, cause: Cause) -> None:
        """Leaves the production, and stops it after its last listener."""
        production = self._listening.pop(connection.id, None)
        if production is None:
            return
        del production.listeners[connection.id]
        if not production.listeners:
            del self._productions[production.name]
            if production.task is not None:
                production.task.cancel()

    def _templates(self) -> list[Template]:
        """The messages that are taken in turn."""
        return self.message if isinstance(self.message, list) else [self.message]

    def _check_schedule(self) -> None:
        """Exactly one of `every` and `cron`; the second must be understood and be due some day."""
        if self.every is None and self.cron is None:
            raise OptionError("it needs every or cron; write every: 5s, say")
        if self.every is not None and self.cron is not None:
            raise OptionError("every and cron exclude each other; delete one of them", "cron")
        if self.cron is None:
            if self.timezone != "UTC":
                raise OptionError("timezone goes with cron; delete it", "timezone")
            return
        try:
            zone = parse_timezone(self.timezone)
        except ValueError as error:
            raise OptionError(str(error), "timezone") from None
        try:
            due = next_cron(self.cron, datetime(2024, 1, 1, tzinfo=UTC), zone)  # any day will do; a fixed one keeps the check pure
        except ValueError as error:
            raise OptionError(str(error), "cron") from None
        if due is None:
            raise OptionError(f"{self.cron!r} never comes", "cron")

    def _check_topic(self, topic: Template) -> None:
        """Whatever makes messages differ must make topics differ."""
        for placeholder in topic.placeholders:
            if placeholder.root in OF_THE_MOMENT:
                raise OptionError(
                    f"{{{placeholder.name}}} changes, a topic must not; use path parameters, path, query.x, user or claims.x", "topic", placeholder.offset
                )
        names = varying([topic])
        for name in varying(self._templates()):
            by_path = "path" in names and name.partition(".")[0] not in OF_THE_CLIENT
            if name not in names and not by_path:
                raise OptionError(f"the message differs by {{{name}}} and the topic does not; write {{{name}}} into the topic, or delete topic", "topic")

    def _expand(self, connection: Connection) -> str:
        """The topic of a connection: the option, else its path with the other values that the message uses."""
        values = Values(connection, clock=self._context.clock)
        if self.topic is not None:
            return self.topic.text(values)
        topic = f"periodic:{connection.path}"
        return f"{topic} {to_text([values[name] for name in self._key])}" if self._key else topic

    def _try(self, connection: Connection) -> None:
        """Fills each message once for a first listener, so that a value that cannot be sent ends that connection, not the production."""
        values = Values(connection, clock=self._context.clock, n=1, connections=self._context.connections)
        for template in self._messages:
            to_text(template.fill(values))

    def _render(self, production: _Production) -> str:
        """The message number `n`, as it is now. All listeners are alike to it, so it is filled for any of them."""
        template = self._messages[(production.n - 1) % len(self._messages)]
        listener = next(iter(production.listeners.values()))
        return to_text(template.fill(Values(listener, clock=self._context.clock, n=production.n, connections=self._context.connections)))

    def _send_next(self, production: _Production) -> None:
        """Counts on and publishes."""
        production.n += 1
        self._context.publish(production.topic, self._render(production))

    def _start(self, production: _Production) -> None:
        """Starts its task; the time of `every` counts from now."""
        if self.every is not None:
            work = self._produce_every(production, self.every, self._context.clock.monotonic())
        else:
            assert self.cron is not None  # check() saw to it
            work = self._produce_cron(production, self.cron, parse_timezone(self.timezone))
        production.task = self._context.spawn(work, production.name)

    async def _produce_every(self, production: _Production, every_s: float, started_s: float) -> None:
        """Publishes at started + k * every."""
        clock = self._context.clock
        k = 0
        while True:
            k = next_tick(k, clock.monotonic() - started_s, every_s)
            await clock.sleep(started_s + k * every_s - clock.monotonic())
            self._send_next(production)

    async def _produce_cron(self, production: _Production, expression: str, zone: tzinfo) -> None:
        """Publishes when the expression is due; looks at the wall clock again each minute, as it may be set meanwhile."""
        clock = self._context.clock
        sent: datetime | None = None
        while (due := next_cron(expression, clock.now(), zone)) is not None:
            await clock.sleep(min((due - clock.now()).total_seconds(), LONGEST_SLEEP_S))
            if clock.now() >= due and due != sent:
                sent = due
                self._send_next(production)
