"""The upgrade as a client asks for it, and what servers answer (RFC 6455, section 4.1). Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from http.client import responses

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the standard's own: the answer is checked against it, nothing else is made of it
ACCEPT = base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()).decode()
HEAD_BYTES = 64 * 1024
BODY_BYTES = 4096
BODY_CHARACTERS = 200  # of a refusal's text

CLOSE_NAMES = {
    1000: "OK",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no status code",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}


def make_request(host: str, path: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The request for an upgrade; `headers` come last."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def judge(answer: bytes, *, ended: bool = False) -> str | None:
    """What is wrong with an answer so far: None if more must come to tell, "" for an upgrade.

    `ended` says that no more comes.
    """
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        if ended:
            return "hung up before the upgrade" if not answer else "no HTTP answer to the upgrade"
        return None if len(answer) <= HEAD_BYTES and b"HTTP/1."[: len(answer)] == answer[:7] else "no HTTP answer to the upgrade"
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[1].isdecimal() or not first.startswith("HTTP/1."):
        return "no HTTP answer to the upgrade"
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if words[1] == "101":
        return "" if fields.get("sec-websocket-accept") == ACCEPT else "101 without the right Sec-WebSocket-Accept"
    length = fields.get("content-length", "")
    if not ended and len(body) < min(int(length) if length.isdecimal() else BODY_BYTES, BODY_BYTES):
        return None
    return describe_refusal(int(words[1]), body)


def describe_refusal(status: int, body: bytes) -> str:
    """The status, its phrase and the server's text, on one line."""
    phrase = responses.get(status, "")
    said = " ".join(body.decode(errors="replace").split())[:BODY_CHARACTERS]
    if said.lower() in {"", phrase.lower(), f"{status} {phrase.lower()}"}:
        return f"refused: {status} {phrase}".rstrip()
    return f"refused: {status} {phrase}: {said}"


def describe_close(payload: bytes) -> str:
    """The code of a server's close frame, its name and its reason."""
    code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
    name = CLOSE_NAMES.get(code)
    reason = payload[2:].decode(errors="replace")
    return f"closed by the server: {code}{f' ({name})' if name else ''}{f' {reason}' if reason else ''}"
