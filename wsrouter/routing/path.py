"""A request's target: what of it is the path, what the query, and the path's segments, decoded (RFC 3986, section 3.3).

A path is decoded once and strictly. Whatever two readers could take for two different paths is refused: control bytes,
backslashes, `//`, a fragment, an encoded slash. Nothing here opens files, so `.` and `..` are ordinary text.
"""

from __future__ import annotations

import re
from typing import Final

_ALLOWED: Final = re.compile(r"/[\x21\x22\x24-\x5b\x5d-\x7e]*")  # printable ASCII without "#" and "\"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_MAX_QUERY_FIELDS: Final = 100  # precedent: Tomcat's and PHP's limits are 1,000 for forms; a URL of 8 KiB needs no more


class PathError(ValueError):
    """A path that no client should send; the handshake is refused with 400."""


def split_target(raw: str) -> tuple[str, str]:
    """The path and the query of a request's target; without a `?` the query is empty."""
    path, _, query = raw.partition("?")
    return path, query


def parse_path(raw: str) -> tuple[str, ...]:
    """The segments of a path without its query: `/a/b%20c` gives `("a", "b c")`, `/` and `/a/` end with an empty one.

    Raises:
        PathError: for what is not printable ASCII, `#`, a backslash, `//`, a malformed or non-UTF-8 escape, and an escaped
            slash or control byte.
    """
    if _ALLOWED.fullmatch(raw) is None:
        raise PathError(_complaint(raw))
    if "//" in raw:
        raise PathError("the path has an empty segment (//)")
    segments = raw[1:].split("/")
    if "%" not in raw:
        return tuple(segments)
    return tuple([_decode(segment) if "%" in segment else segment for segment in segments])


def parse_query(query: str) -> dict[str, str]:
    """The names and values of a query; of a repeated name the first value. Never fails: bytes that are not UTF-8 become U+FFFD.

    Only the first 100 fields count.
    """
    if not query:
        return {}
    from urllib.parse import parse_qsl  # costs milliseconds, and most connections have no query

    found: dict[str, str] = {}
    fields = "&".join(query.split("&", _MAX_QUERY_FIELDS)[:_MAX_QUERY_FIELDS])
    for name, value in parse_qsl(fields, keep_blank_values=True):
        found.setdefault(name, value)
    return found


def _complaint(raw: str) -> str:
    """Why a path is not made of allowed characters."""
    if not raw.startswith("/"):
        return "the target is not a path: it must begin with /"
    if "#" in raw:
        return "the path has a fragment (#), which is for the client alone"
    if "\\" in raw:
        return "the path has a backslash"
    return "the path has a character outside printable ASCII, which must be percent-encoded"


def _decode(segment: str) -> str:
    """One segment, its escapes decoded once as UTF-8."""
    try:
        text = _ESCAPE.sub(_byte, segment.encode("ascii")).decode("utf-8")
    except UnicodeDecodeError:
        raise PathError("the path is not UTF-8 once its percent-escapes are decoded") from None
    if "/" in text:
        raise PathError("the path has an encoded slash (%2F)")
    if _CONTROL.search(text):
        raise PathError("the path has an encoded control character")
    return text


def _byte(match: re.Match[bytes]) -> bytes:
    """The byte that an escape stands for."""
    if match[1] is None:
        raise PathError("the path has a % without two hexadecimal digits after it")
    return bytes.fromhex(match[1].decode())
