"""Targets of `./dev fuzz` at the door: PROXY headers, credentials, tokens. What of a client's credentials a text shows is a failure."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

from wsrouter.access.bounds import MAX_PROXY_V1_BYTES, MAX_PROXY_V2_BYTES
from wsrouter.access.credentials import MAX_CREDENTIAL, MAX_NAME, Credentials, CredentialsError, find_credentials
from wsrouter.access.decision import Decision, Rejected
from wsrouter.access.jwt import Expected, JwtAuthenticator, OneKey, make_key
from wsrouter.access.sources.plugin import is_name
from wsrouter.access.tokens import TokenAuthenticator
from wsrouter.api.user import User
from wsrouter.routing.path import parse_query
from wsrouter.wire.head import HeaderView
from wsrouter.wire.proxy_header import SIGNATURE, ProxyHeaderError, bytes_wanted, parse_header
from wsrouter.wire.request import ClientRequest

# PROXY headers.

PROXY_HEADERS: Final = (
    b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n",
    b"PROXY UNKNOWN what ever\r\n",
    b"PROXY UNKNOWN\r\nrest",
    SIGNATURE + b"\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x01\xbbrest",
    SIGNATURE + b"\x21\x21\x00\x24" + bytes(15) + b"\x01" + bytes(15) + b"\x01\x12\x67\x01\xbb",
    SIGNATURE + b"\x20\x00\x00\x00",
    SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
    SIGNATURE + b"\x21\x11\x00\x13\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x67\x01\xbb\x04\x00\x04xyzw",
)
PROXY_WORDS: Final = (
    b"PROXY ",
    b"TCP4 ",
    b"TCP6 ",
    b"UNKNOWN",
    b"\r\n",
    b"\r",
    b"\n",
    SIGNATURE,
    b"\x21\x11",
    b"\x00\x0c",
    b"\xff\xff",
    b"::ffff:1.2.3.4",
    b"0",
    b" ",
)


def proxy_header(data: bytes) -> None:
    """A PROXY header and what follows it: never more is asked for than belongs to it, and whose it is, is an address or nobody's."""
    header = b""
    try:
        while wanted := bytes_wanted(header):
            assert len(header) + wanted <= max(MAX_PROXY_V1_BYTES, MAX_PROXY_V2_BYTES), f"{wanted} bytes more than {len(header)}"
            more = data[len(header) : len(header) + wanted]
            if not more:
                return
            header += more
        source = parse_header(header)
    except ProxyHeaderError as error:
        _is_one_line(str(error))
        return
    assert header.startswith(SIGNATURE) or header.count(b"\n") == 1, "it took what follows"
    if source is not None:
        host, port = source
        assert str(ip_address(host)) == host, host
        assert 0 <= port <= 65535, port


# Credentials: a query on the first line, headers on the others.

GOOD_TOKEN: Final = "good-token-0123456789"  # noqa: S105
_SECRET: Final = "a secret of thirty-two bytes and more, for the fuzzer"  # noqa: S105
_KEY: Final = make_key(_SECRET)
_TOKENS: Final = TokenAuthenticator({"ada": GOOD_TOKEN})
_JWT: Final = JwtAuthenticator(OneKey(_KEY), Expected((), (), 5.0, ("exp",), "sub"))
_PLACES: Final = ("the Bearer token", "the subprotocol after bearer", "the query parameter", "the cookie")
_ERRORS: Final = {
    *(f"{place} is empty, or no token" for place in _PLACES),
    "more than one Authorization header",
    "an Authorization that is neither Bearer nor Basic",
    "a Basic Authorization that is no base64 of UTF-8",
    "a Basic Authorization without name:password",
}
"""All that may be said of credentials: nothing that the client sent."""
LEAST_SECRET: Final = 12
"""So many characters of a client's text in one of ours are no chance."""

CREDENTIALS: Final = (
    f"\nAuthorization: Bearer {GOOD_TOKEN}".encode(),
    b"\nAuthorization: Basic YWRhOnBhc3N3b3JkLWZ1bGw=",
    f"\nSec-WebSocket-Protocol: chat, bearer, {GOOD_TOKEN}".encode(),
    f"\nSec-WebSocket-Protocol: bearer\nSec-WebSocket-Protocol: {GOOD_TOKEN}".encode(),
    f"token={GOOD_TOKEN}&x=1\nHost: a".encode(),
    f'\nCookie: a=b; session="{GOOD_TOKEN}"\nOrigin: https://a.example'.encode(),
)
CREDENTIAL_WORDS: Final = (
    b"Authorization: ",
    b"Bearer ",
    b"Basic ",
    b"bearer, ",
    b"session=",
    b"token=",
    b"Cookie: ",
    b"\n",
    b",",
    b";",
    b"=",
    b'"',
    b"%00",
    b":",
    b"\x80",
)


def credentials(data: bytes) -> None:
    """A query and headers with credentials: some that can be written in a record, none, or an error that shows nothing of them."""
    query, _, lines = data.decode("latin-1").partition("\n")
    head = "".join(f"{line}\r\n" for line in ("GET / HTTP/1.1", *lines.replace("\r", "").split("\n"), ""))
    headers = HeaderView(head.encode("latin-1"))
    try:
        found = find_credentials(headers, parse_query(query), cookie="session", parameter="token")
    except CredentialsError as error:
        _is_known(str(error))
        return
    if found is None:
        return
    assert len(found.token) <= MAX_CREDENTIAL
    assert len(found.user) <= MAX_NAME
    assert bool(found.token) is not bool(found.user)
    request = ClientRequest(head.encode("latin-1"), "/", "/", {}, "127.0.0.1:1", "127.0.0.1")
    decision = _TOKENS.authenticate(found, request)
    assert isinstance(decision, User) is (found.token == GOOD_TOKEN)
    shown = repr(found) + (str(decision.refusal) if isinstance(decision, Rejected) else "")
    for secret in (found.token, found.user, found.password or ""):
        _shows_nothing_of(secret, shown)


# Tokens.

TOKENS: Final = (
    b'{"alg":"HS256","typ":"JWT","kid":"k"}\n{"sub":"ada","exp":4000000000,"roles":["a"]}',
    b'{"alg":"none"}\n{"sub":"ada","exp":4000000000}',
    b'{"alg":"HS256","crit":["b64"],"b64":false}\n{"sub":"ada","exp":1e400,"nbf":-1,"iat":null,"aud":[1,{}]}',
    b'{"alg":"RS256","jwk":{"kty":"oct"}}\n{"sub":["ada"],"exp":"4000000000"}',
)
TOKEN_WORDS: Final = (
    b'"sub":',
    b'"exp":',
    b'"nbf":',
    b'"aud":',
    b'"iss":',
    b'"alg":',
    b'"none"',
    b'"HS512"',
    b'"kid":',
    b"1e999",
    b"null",
    b"[]",
    b"{}",
    b"\n",
    b".",
    b"9" * 400,
    b"\\u0000",
)


def tokens(data: bytes) -> None:
    """A token's header and its claims, on a line each, signed well, badly, and not at all: only the first may name a user."""
    header, _, claims = data.partition(b"\n")
    body = f"{_encoded(header)}.{_encoded(claims)}"
    signature = hmac.new(_SECRET.encode(), body.encode(), sha256).digest()
    for token in (f"{body}.{_encoded(signature)}", f"{body}.{_encoded(signature[::-1])}", f"{body}.", data.decode("latin-1")):
        decision = _decide(token)
        if isinstance(decision, User):
            assert _is_signed(token), "a user without a signature"
            assert is_name(decision.name), decision.name
            assert json.loads(claims)["sub"] == decision.name
        else:
            _shows_nothing_of(token, str(decision.refusal))


def _decide(token: str) -> Decision:
    decision = _JWT.authenticate(Credentials("header", token), ClientRequest(b"", "/", "/", {}, "127.0.0.1:1", "127.0.0.1"))
    assert isinstance(decision, User | Rejected), decision
    return decision


def _is_signed(token: str) -> bool:
    """By RFC 7515 itself, with nothing of the library."""
    body, _, signature = token.rpartition(".")
    return hmac.compare_digest(urlsafe_b64decode(signature + "=="), hmac.new(_SECRET.encode(), body.encode(), sha256).digest())


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_known(text: str) -> None:
    assert text in _ERRORS, text


def _is_one_line(text: str) -> None:
    assert text, "no reason"
    assert text.isprintable(), text


def _shows_nothing_of(secret: str, text: str) -> None:
    """That no longer part of what a client sent stands in a text of ours."""
    parts = {secret[at : at + LEAST_SECRET] for at in range(len(secret) - LEAST_SECRET + 1)}
    shown = [text[at : at + LEAST_SECRET] for at in range(len(text) - LEAST_SECRET + 1) if text[at : at + LEAST_SECRET] in parts]
    assert not shown, f"{text!r} shows {shown[0]!r}"
