"""The settings of a site, as checked: every key with its type, default, bounds and one sentence of help.

From these come the check, the JSON Schema, the help texts and the reference page. Times are seconds, sizes bytes.
What is open-ended (routes, handlers' options) is read by `config.site_file` and `config.route_entry`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct, field

from wsrouter.api.allow import Allow
from wsrouter.api.options import Duration, Option, Size
from wsrouter.config.auth_settings import Auth


class Setting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all settings: frozen, by keyword, unknown keys refused."""


class Rate(Setting, frozen=True):
    """How many a second, and how many at once; written `100/s`, or `{rate: 100/s, burst: 200}`."""

    rate: Annotated[float, Option(ge=0, description="How many a second on average, as 100/s, 6000/m; 0 is no limit.", extra={"unit": "rate"})] = 0.0
    burst: Annotated[int, Option(ge=0, description="How many at once; 0 is twice the rate.")] = 0


class Limits(Setting, frozen=True):
    """How much one connection may do."""

    # Precedents for 64 KiB: Centrifugo 64 KB, AWS 128 KB, NATS 1 MB.
    message_size: Annotated[Size, Option(ge=1, le=1 << 30, description="The largest message that is taken from a client.")] = 64 * 1024
    message_rate: Annotated[Rate, Option(description="Messages a second from one client; 0 is no limit.")] = Rate()
    byte_rate: Annotated[Rate, Option(description="Bytes a second from one client; 0 is no limit.")] = Rate()
    on_exceed: Annotated[
        Literal["close", "drop", "pause"],
        Option(description="What happens over a rate: close the client, drop the messages that are too many, or pause reading from it until there is room."),
    ] = "close"
    close_code: Annotated[Literal[1008, 4429], Option(description="The code that a client over its rate is closed with.")] = 1008
    # Precedent: Centrifugo's client.user_connection_limit; 0 there, too.
    connections: Annotated[int, Option(ge=0, description="The most connections of this route at once; 0 is no limit of its own.")] = 0
    connections_per_user: Annotated[int, Option(ge=0, description="The most connections of one user to this route at once; 0 is no limit.")] = 0
    idle: Annotated[Duration, Option(ge=0, description="How long a client may send nothing; 0s is for ever.")] = 0.0
    age: Annotated[Duration, Option(ge=0, description="How long a connection may last; 0s is for ever.")] = 0.0


class Latest(Setting, frozen=True):
    """Of the messages that wait for a slow client, only the newest for each key."""

    latest: Annotated[
        str,
        Option(
            pattern=r"^message(\.[^.\s]+)+$",
            max_length=256,
            examples=["message.symbol"],
            description="Where the key stands in a JSON message, as message.symbol.",
        ),
    ]


class Outbox(Setting, frozen=True):
    """What may wait for a client that reads slowly."""

    # Precedents: Centrifugo 1 MiB, NATS 64 MB and 10 s.
    size: Annotated[Size, Option(ge=1024, le=1 << 30, description="How many bytes may wait for one client; one message always fits.")] = 1024 * 1024
    stalled: Annotated[Duration, Option(gt=0, description="How long a client may take nothing while something waits for it.")] = 10.0
    on_full: Annotated[
        Literal["close", "drop_oldest", "drop_newest"] | Latest,
        Option(
            description="What happens when the outbox is full: close the client with 1013, drop_oldest or drop_newest of what waits, or {latest: message.symbol} "
            "to keep only the newest message for each key while it is behind."
        ),
    ] = "close"


class Keepalive(Setting, frozen=True):
    """How dead connections are found."""

    # Precedent: websockets pings every 20 s and waits 20 s.
    ping: Annotated[Duration, Option(ge=0, description="The time between pings; 0s is never.")] = 20.0
    pong: Annotated[Duration, Option(gt=0, description="How long an answer may take before the client counts as gone.")] = 20.0


class DrainTime(Setting, frozen=True):
    """Closing the connections of a route that a reload changed, spread over a time."""

    drain: Annotated[Duration, Option(gt=0, description="Over how long its open connections are closed with 1012.")]


class Addresses(Setting, frozen=True):
    """Which clients may connect, by their address as trusted proxies tell it."""

    allow: Annotated[list[str], Option(description="Addresses or networks that may connect, or unix for peers of a Unix socket; empty is all.")] = field(
        default_factory=list
    )
    deny: Annotated[list[str], Option(description="Addresses or networks that may not, also where they are allowed.")] = field(default_factory=list)


class RouteSettings(Setting, frozen=True):
    """What every route has besides its steps; `defaults` sets them for all, a route for itself."""

    limits: Annotated[Limits, Option(description="How much one connection may do.")] = Limits()
    outbox: Annotated[Outbox, Option(description="What may wait for a client that reads slowly.")] = Outbox()
    keepalive: Annotated[Keepalive, Option(description="How dead connections are found.")] = Keepalive()
    origins: Annotated[
        Literal["same-host"] | str | list[str],
        Option(description='Which web pages may connect: same-host, "*", or a list of origins like https://example.com, "http://localhost:*".'),
    ] = "same-host"
    addresses: Annotated[Addresses, Option(description="Which clients may connect, by their address as trusted proxies tell it.")] = Addresses()
    auth: Annotated[Literal["none"] | Auth, Option(description="How it is told who somebody is: none, or one of tokens, jwt, basic, forward, plugin.")] = "none"
    allow: Annotated[Allow | None, Option(description="Which of the users that auth knows may come in; without it all of them.")] = None
    subprotocols: Annotated[list[str], Option(description="The subprotocols that are agreed to, the preferred one first.")] = field(default_factory=list)
    compression: Annotated[bool, Option(description="Whether messages are compressed for clients that can (permessage-deflate without context takeover).")] = (
        False
    )
    on_change: Annotated[
        Literal["keep", "close"] | DrainTime,
        Option(
            description="What becomes of open connections when a reload changes the route's handlers: keep leaves them with the old ones, {drain: 30s} closes "
            "them with 1012 over that time, close at once, before the new ones start."
        ),
    ] = "keep"


class ServerLimits(Setting, frozen=True):
    """How much the whole server takes."""

    connections: Annotated[
        Literal["auto"] | Annotated[int, Option(ge=1)], Option(description="The most connections at once; auto is the open-file limit less 256.")
    ] = "auto"
    connections_per_address: Annotated[int, Option(ge=0, description="The most connections of one client address; 0 is no limit.")] = 0
    # Precedents: HAProxy's timeout http-request 5 s, NATS 2 s, Centrifugo 10 s.
    handshake: Annotated[Duration, Option(gt=0, description="How long a client may take for its request.")] = 5.0


class Shutdown(Setting, frozen=True):
    """How it stops."""

    delay: Annotated[Duration, Option(ge=0, description="How long it still accepts after it has said that it is not ready.")] = 0.0
    spread: Annotated[Duration, Option(ge=0, description="Over how long the closing of connections is spread, at the most.")] = 20.0
    timeout: Annotated[Duration, Option(gt=0, description="When it stops whatever is still open.")] = 30.0


class Tls(Setting, frozen=True):
    """The certificate of a listener."""

    cert: Annotated[str, Option(min_length=1, description="The certificate chain, a PEM file; relative to the site's file.")]
    key: Annotated[str, Option(min_length=1, description="Its private key, a PEM file.")]
    min_version: Annotated[Literal["1.2", "1.3"], Option(description="The oldest TLS version that is spoken.")] = "1.2"
    # Precedent: NATS 2 s; HAProxy's timeout client-hs.
    handshake: Annotated[Duration, Option(gt=0, description="How long the TLS handshake may take, before the time for the request begins.")] = 5.0
    client_ca: Annotated[str | None, Option(description="A PEM file of authorities; clients must then show a certificate of theirs.")] = None


class Listen(Setting, frozen=True):
    """One address that is listened on."""

    address: Annotated[str, Option(description="host:port, :port, port, [ipv6]:port, localhost:port, or unix:/path.")] = "127.0.0.1:8765"
    mode: Annotated[Annotated[str, Option(pattern=r"^0?[0-7]{3}$")] | None, Option(description='The permissions of a Unix socket, as "0660".')] = None
    group: Annotated[str | None, Option(description="The group of a Unix socket.")] = None
    tls: Annotated[Tls | None, Option(description="The certificate; without it the listener speaks plain TCP.")] = None
    proxy_protocol: Annotated[
        Literal["require"] | None,
        Option(description="require: each connection begins with a PROXY header (version 1 or 2), and comes from an address in server.trusted_proxies."),
    ] = None


class Server(Setting, frozen=True):
    """Where and how it serves."""

    listen: Annotated[list[Listen], Option(description="The addresses: one, or a list of them.")] = field(default_factory=lambda: [Listen()])
    reuse_port: Annotated[
        bool,
        Option(description="Whether a second daemon may listen on the same TCP addresses, so that it serves before this one is told to stop (SO_REUSEPORT)."),
    ] = False
    hosts: Annotated[list[str], Option(description="The Host names that are served; empty is any.")] = field(default_factory=list)
    trusted_proxies: Annotated[list[str], Option(description="Addresses or networks whose X-Forwarded-For, Forwarded and PROXY headers are believed.")] = field(
        default_factory=list
    )
    limits: Annotated[ServerLimits, Option(description="How much the whole server takes.")] = ServerLimits()
    shutdown: Annotated[Shutdown, Option(description="How it stops.")] = Shutdown()
    health: Annotated[
        str | None,
        Option(description="A path on the public addresses that answers GET with 200 while clients should be sent here, else 503; without it there is none."),
    ] = None


class Admin(Setting, frozen=True):
    """The private side over TCP; on its Unix socket it is always there."""

    address: Annotated[str | None, Option(description="Where it is, besides its Unix socket: 127.0.0.1:9464 or the like; without it nowhere.")] = None
    token: Annotated[
        str | None,
        Option(
            description="What has to be shown as Authorization: Bearer, but for /healthz and /readyz; needed where the address is not a loopback one.",
            extra={"secret": True},
        ),
    ] = None


class Log(Setting, frozen=True):
    """What is logged, and how."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Option(description="The least level that is logged.")] = "info"
    format: Annotated[Literal["auto", "json", "pretty"], Option(description="json lines, pretty text, or by whether stderr is a terminal.")] = "auto"
    connections: Annotated[
        Literal["both", "closed", "none"], Option(description="Which records of connections are logged: opened and closed, only closed, or none.")
    ] = "both"


class Plugins(Setting, frozen=True):
    """Where handlers come from besides the built-in ones."""

    folders: Annotated[list[str], Option(description="Folders of plugin files, relative to the site's file.")] = field(default_factory=lambda: ["plugins"])
    watch: Annotated[bool, Option(description="Whether a changed plugin or site is loaded by itself.")] = False
    failures: Annotated[
        int, Option(ge=0, description="How many failures of its handlers a route may have in a minute; at more, new connections are refused. 0 never does.")
    ] = 20
    pause: Annotated[Duration, Option(gt=0, description="For how long new connections are then refused.")] = 30.0
