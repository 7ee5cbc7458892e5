"""What `./dev fuzz` feeds: each target is a parser of what clients, proxies or editors send, with a corpus and words to begin from.

A target's function takes bytes, and raises whatever must not happen. To add one: a function and a line of `TARGETS`.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from tools import fuzz_door
from tools.fuzz_inputs import pieces
from wsrouter.access.addresses import UNIX, address_group, client_address, parse_networks
from wsrouter.access.hosts import admits_host
from wsrouter.access.origins import OriginPolicy
from wsrouter.config.problems import Problems
from wsrouter.config.settings import Limits, RouteSettings, ServerLimits
from wsrouter.routing.path import PathError, parse_path, parse_query, split_target
from wsrouter.routing.pattern import parse_pattern
from wsrouter.routing.router import Router
from wsrouter.site.site import load_site
from wsrouter.wire.admission import Admission
from wsrouter.wire.upgrade import Deflate

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # for the wire harness: a client, a transport and a loop without sockets

from support.wire import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, TEXT, Door, EchoEndpoint, ManualLoop, Notes, Wire, make_hub, masked  # noqa: E402

MESSAGE_BYTES: Final = 4096
"""The limit of the targets that take frames: low, so that inputs reach it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser to feed."""

    run: Callable[[bytes], None]
    corpus: Sequence[bytes]
    words: Sequence[bytes]
    most_s: float = 0.25
    """How much processor time an input may take: some hundred times what the longest needs."""


# Handshakes.

_LINES: Final = (b"Host: a\r\n", b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
_HEAD: Final = b"GET /a HTTP/1.1\r\n%bSec-WebSocket-Version: 13\r\n" % b"".join(_LINES)


def _corpus_of(context: str) -> list[bytes]:
    cases = json.loads((ROOT / "tests" / "corpus" / "handshake-and-frames.json").read_text("utf-8"))
    return [bytes.fromhex(case["hex"]) for case in cases if case["context"].startswith(context) and case.get("hex")]


class _Gate:
    def __init__(self, settings: RouteSettings) -> None:
        self.endpoint = EchoEndpoint(settings)
        self.origins = OriginPolicy(settings.origins)
        self.door = None
        self.addresses = None


def handshake(data: bytes) -> None:
    """Bytes of a fresh socket: it becomes a WebSocket or is answered with an error, and is told of once."""
    loop, notes = ManualLoop(), Notes()
    hub = make_hub(loop, notes, ServerLimits(handshake=1.0, connections_per_address=3))
    open_route, strict = _Gate(RouteSettings(compression=True, subprotocols=["a", "chat"])), _Gate(RouteSettings(origins=["https://*.example.com"]))
    routes = [(parse_pattern("/a"), open_route), (parse_pattern("/b/{name}"), strict), (parse_pattern("/{rest:path}"), open_route)]
    hub.admission = Admission(Router(routes), hosts=["a", "*.example.com"], trusted=parse_networks(["127.0.0.1"]))
    door = Door(hub, loop)
    door.read(*pieces(data))
    loop.advance(4)
    answers = (b"HTTP/1.1 101 ", b"HTTP/1.1 4", b"HTTP/1.1 5")
    assert not door.sent or door.sent.startswith(answers), door.sent
    assert not notes.failures, notes.failures
    door.transport.hang_up()
    loop.advance(30)
    told = len(notes.opened_connections) + len(notes.refusals) + len(notes.vanished_peers)
    assert told == 1, f"told of {told} times"
    assert not hub.connections


# Frames.


def _compress(payload: bytes) -> bytes:
    compressor = zlib.compressobj(9, wbits=-12)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


_KEY: Final = b"\x12\x34\x56\x78"
_FRAMES: Final = (
    masked(TEXT, b"hello"),
    masked(TEXT, "é🎉".encode() * 9, key=_KEY),
    masked(BINARY, bytes(300), key=_KEY),
    masked(TEXT, b"in ", flags=0) + masked(PING, b"between") + masked(CONT, b"two"),
    masked(PING, b"p") * 4 + masked(PONG),
    masked(BINARY, b"x" * MESSAGE_BYTES),
    masked(BINARY, b"x" * (MESSAGE_BYTES + 1)),
    masked(TEXT, b"a", flags=0) + masked(CONT, b"", flags=0) * 50,
    masked(CLOSE, b"\x03\xe8bye"),
    masked(CLOSE),
)
_COMPRESSED: Final = tuple(
    masked(opcode, _compress(payload), flags=FIN | RSV1)
    for opcode, payload in ((TEXT, b"hello"), (TEXT, b""), (BINARY, bytes(300)), (BINARY, bytes(2_000_000)), (TEXT, "é".encode() * 500))
)
_FRAME_WORDS: Final = (
    b"\x81\x80" + bytes(4),
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x89\xfe\0\x7e",
    b"\x82\xff",
    bytes(8),
    b"\xff" * 8,
    b"\x01\x80\0\0\0\0",
    b"\xc3\xa9",
)
_SETTINGS: Final = RouteSettings(limits=Limits(message_size=MESSAGE_BYTES))


def _talk(reads: Sequence[bytes], deflate: Deflate | None) -> tuple[bytes, list[object]]:
    """What a client got for its bytes, and what the handler got of them."""
    wire = Wire(_SETTINGS, deflate=deflate)
    for read in reads:
        wire.read(read)
    wire.settle()
    sent = wire.sent
    assert not wire.notes.failures, wire.notes.failures
    wire.transport.hang_up()
    wire.loop.advance(60)
    assert len(wire.notes.endings) == 1, f"told of {len(wire.notes.endings)} endings"
    assert not wire.hub.connections
    messages = wire.endpoint.messages
    assert all(len(message.encode() if isinstance(message, str) else message) <= MESSAGE_BYTES for message in messages)  # type: ignore[arg-type, attr-defined]
    return sent, messages


def frames(data: bytes, deflate: Deflate | None = None) -> None:
    """Bytes of an open connection: the same is answered, whether they come in one read or in many."""
    at_once, in_pieces = _talk([data] if data else [], deflate), _talk(pieces(data), deflate)
    assert at_once == in_pieces, f"in one read {at_once!r}, in several {in_pieces!r}"


def compressed_frames(data: bytes) -> None:
    """The same on a connection that agreed to compression."""
    frames(data, Deflate(12, 12))


# Headers of proxies and pages.

_TRUSTED: Final = parse_networks(["10.0.0.0/8", "fd00::/8", "unix"])
_HOPS: Final = (b"203.0.113.7, 10.0.0.1", b"for=203.0.113.7;proto=https, for=10.0.0.2", b'for="[2001:db8::1]:4711"', b"unknown, _hidden", b"::ffff:10.0.0.1")
_HOP_WORDS: Final = (b",", b";", b"for=", b'"', b"[", b"]", b":80", b"%eth0", b"0x7f.1", b"127.1", b"::", b"1.2.3.4", b"fd00::1", b"\n", b"unix", b"=", b" ")


def forwarded(data: bytes) -> None:
    """Lines of X-Forwarded-For and Forwarded behind a trusted proxy: the client's address is an address."""
    lines = data.decode("latin-1").split("\n")
    for peer in ("10.0.0.9", UNIX, "192.0.2.1"):
        for chain in ((lines, []), ([], lines), (lines[::2], lines[1::2])):
            client = client_address(peer, *chain, _TRUSTED)
            assert client == UNIX or str(ip_address(client)) == client, client
            assert peer != "192.0.2.1" or client == peer, f"{client} was believed from a peer that is not trusted"
            address_group(client)


_POLICIES: Final = (OriginPolicy(), OriginPolicy(["https://*.example.com", "http://localhost:*", "null"]), OriginPolicy("same-host", dev=True))


def origins(data: bytes) -> None:
    """An Origin and a Host, a line each: nobody is let in whose host does not end as the rule does."""
    origin, _, host = data.decode("latin-1").partition("\n")
    for policy in _POLICIES:
        policy.admits(origin, host)
        policy.cure(origin)
    if _POLICIES[1].admits(origin, host):
        name = origin.lower().split("//")[-1].split(":")[0].removesuffix(".")
        assert origin == "null" or name == "localhost" or name.endswith(".example.com"), origin
    admits_host(host, ["a", "*.example.com:80", "[::1]"])


# Paths.

_ROUTES: Final = ("/", "/a", "/a/{x}", "/{x}/b", "/a/{rest:path}", "/files/{name}/c", "/{a}/{b}/{c}")
_ROUTER: Final = Router([(parse_pattern(text), text) for text in _ROUTES])


def paths(data: bytes) -> None:
    """A request's target: a match has no slash in a parameter of one segment, and what is refused is refused in one way."""
    path, query = split_target(data.decode("latin-1"))
    assert len(parse_query(query)) <= 100
    try:
        segments = parse_path(path)
        match = _ROUTER.match(path)
    except PathError:
        return
    assert not any("/" in segment or "\0" in segment for segment in segments)
    if match is not None:
        assert not any("/" in value for name, value in match.params.items() if name != "rest"), match
    _ROUTER.nearest(path)
    _ROUTER.explain(path)


# Sites.


@functools.cache
def _site_folder() -> Path:
    """A folder with the shipped plugins, for as long as the fuzzer runs."""
    folder = tempfile.TemporaryDirectory(prefix="wsrouter-fuzz-")
    _FOLDERS.append(folder)
    shutil.copytree(ROOT / "plugins", Path(folder.name, "plugins"))
    return Path(folder.name)


_FOLDERS: Final[list[tempfile.TemporaryDirectory[str]]] = []


def site(data: bytes) -> None:
    """A site's file: it loads, or has problems that each are one line with a place in it."""
    path = _site_folder() / "site.yaml"
    path.write_bytes(data)
    problems = Problems()
    loaded = load_site(path, {}, problems)
    assert (loaded is None) is bool(problems.errors), f"{loaded} with {list(map(str, problems))}"
    assert not any("\n" in str(problem) for problem in problems), list(map(str, problems))
    if loaded is not None:
        loaded.library.close()


_SITES: Final = tuple((ROOT / name).read_bytes() for name in ("config/site.yaml", "tests/config/reference_site.yaml"))
_YAML_WORDS: Final = (
    *(b"&a ", b"*a", b"<<: *a", b"- ", b": ", b"{", b"}", b"[", b"]", b"|\n", b">-\n", b"!!python/object:os.system ", b"? ", b"---\n", b"...\n", b"%YAML 9\n"),
    *(b"#", b"'", b'"', b"\t", b"  ", b"${HOME}", b"${", b"{{", b"{x}", b"null", b"1_0", b"0x1", b".inf", b"1e999", b"9" * 5000, b"\xef\xbb\xbf", b"\xff"),
    *(
        b"routes:\n",
        b"server:\n",
        b"defaults: ",
        b"limits: ",
        b"include: ",
        b"echo",
        b"periodic: ",
        b"10s",
        b"64KiB",
        b"100/s",
        b"on_change: ",
        b"/{x}: echo\n",
    ),
)

TARGETS: Final = {
    "handshake": Target(
        handshake,
        [_HEAD + b"\r\n", _HEAD + b"Origin: https://x.example.com\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n" + _FRAMES[0], *_corpus_of("raw")],
        [
            *_LINES,
            b"\r\n",
            b"\r\n\r\n",
            b":",
            b"Content-Length: 5\r\n",
            b"Origin: null\r\n",
            b"Sec-WebSocket-Protocol: a, b\r\n",
            b"PROXY TCP4 ",
            b"\x16\x03\x01",
        ],
    ),
    "frames": Target(frames, [*_FRAMES, *_corpus_of("ws")], _FRAME_WORDS),
    "compressed": Target(compressed_frames, [*_COMPRESSED, *_FRAMES, *_corpus_of("deflate")], [*_FRAME_WORDS, b"\xc1\x80" + bytes(4), b"\x00\x00\xff\xff"]),
    "forwarded": Target(forwarded, _HOPS, _HOP_WORDS),
    "proxy": Target(fuzz_door.proxy_header, fuzz_door.PROXY_HEADERS, fuzz_door.PROXY_WORDS),
    "credentials": Target(fuzz_door.credentials, fuzz_door.CREDENTIALS, fuzz_door.CREDENTIAL_WORDS),
    "tokens": Target(fuzz_door.tokens, fuzz_door.TOKENS, fuzz_door.TOKEN_WORDS),
    "origins": Target(
        origins,
        [b"https://a.example.com\na", b"http://localhost:5173\nlocalhost", b"null\na:80", b"http://[::1]:80\n[::1]"],
        [b"://", b":", b"*.", b".example.com", b"@", b"%2e", b"localhost", b"https", b"\n", b"[", b"]", b"\xc0"],
    ),
    "paths": Target(
        paths,
        [b"/", b"/a/b?x=1&y=%41", b"/files/%C3%A9/c", b"/a/x/y/z", b"/%2e%2e/%2e%2e/etc/passwd"],
        [b"/", b"//", b"%", b"%2F", b"%00", b"%252e", b"#", b"\\", b"?", b"&", b"=", b"..", b"%ff", b";", b"+", b"\xe9"],
    ),
    "site": Target(site, _SITES, _YAML_WORDS, most_s=2.0),
}
