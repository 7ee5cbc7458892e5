"""Reads the values of a step's keys. Each function takes a node and raises a `StepError` with what is wrong and the cure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from wsrouter.api.causes import Reason
from wsrouter.config.nearest import suggest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, plain_value, show, show_text
from wsrouter.config.units import parse_duration
from wsrouter.scenario.expectation import Closed, Exactly, LikeJson, Matching, Messages, Nothing, Refused
from wsrouter.scenario.scenario import CloseStep

if TYPE_CHECKING:
    from wsrouter.config.problems import Place

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_SENDABLE: Final = "1000 to 1003, 1007 to 1014, 3000 to 4999; 1005 for none, 1006 to go away without a close frame"
_MAX_REASON_BYTES: Final = 123


class StepError(ValueError):
    """What is wrong with a value, as the end of a sentence that begins with its key; `place` is where it stands."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def read_text(node: Node) -> str:
    """A text."""
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return node.text
    raise StepError(node.place, f"must be text, not {show(node)}{_quoted(node)}")


def read_texts(node: Node) -> tuple[str, ...]:
    """A text, or a list of them."""
    if isinstance(node, MappingNode):
        raise StepError(node.place, "must be text, not a mapping: for JSON write send_json or expect_json")
    return tuple(read_text(item) for item in _items(node))


def read_json(node: Node) -> tuple[str, ...]:
    """Any value, as JSON text: one message, also where it is a list."""
    return (json.dumps(plain_value(node), ensure_ascii=False, separators=(",", ":")),)


def read_binaries(node: Node) -> tuple[bytes, ...]:
    """Binary messages in hexadecimal: `00 ff 10`, or a list of them."""
    return tuple(_binary(item) for item in _items(node))


def wanted_texts(node: Node) -> Messages:
    """Exact texts, one or several in order."""
    return Messages(tuple(Exactly(text) for text in read_texts(node)))


def wanted_binaries(node: Node) -> Messages:
    """Exact binary messages, one or several in order."""
    return Messages(tuple(Exactly(data) for data in read_binaries(node)))


def read_like_json(node: Node) -> Messages:
    """A message of which this is a part."""
    return Messages((LikeJson(plain_value(node)),))


def read_matches(node: Node) -> Messages:
    """Regular expressions, one or several in order."""
    return Messages(tuple(Matching(_pattern(item)) for item in _items(node)))


def read_nothing(node: Node) -> Nothing:
    """How long nothing may come."""
    return Nothing(read_duration(node))


def read_closed(node: Node) -> Closed:
    """`true`, a code, or `{code, reason}`."""
    code, reason = _code_and_reason(node, "code", range(1000, 5000), "a close code from 1000 to 4999")
    return Closed(code, reason)


def read_refused(node: Node) -> Refused:
    """`true`, an HTTP status, or `{status, reason}` with a word of `api.causes.Reason`."""
    status, reason = _code_and_reason(node, "status", range(400, 600), "an HTTP status from 400 to 599")
    words = [str(known) for known in Reason]
    if reason is not None and reason not in words:
        raise StepError(node.place, f"has an unknown reason {show_text(reason)}: {suggest(reason, words)}")
    return Refused(status, reason)


def read_close(node: Node) -> CloseStep:
    """`true` for 1000, a code, or `{code, reason}`."""
    code, reason = _code_and_reason(node, "code", range(1000, 5000), f"a close code: {_SENDABLE}")
    code, reason = code or 1000, reason or ""
    if code == 1004 or 1015 <= code < 3000:
        raise StepError(node.place, f"cannot be {code}: a client may send {_SENDABLE}")
    if len(reason.encode()) > _MAX_REASON_BYTES:
        raise StepError(node.place, f"has a reason of {len(reason.encode())} bytes: {_MAX_REASON_BYTES} at the most")
    return CloseStep(code, reason)


def read_duration(node: Node) -> float:
    """A time above 0, in seconds."""
    if not isinstance(node, ScalarNode) or node.value is None or isinstance(node.value, bool):
        raise StepError(node.place, f"must be a time as 10s, not {show(node)}")
    try:
        seconds = parse_duration(node.text)
    except ValueError as error:
        raise StepError(node.place, f"is wrong: {error}") from None
    if seconds <= 0:
        raise StepError(node.place, f"must be more than {node.text}: write 1s or another time")
    return seconds


def read_flag(node: Node) -> bool:
    """`true` or `false`."""
    if isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value
    raise StepError(node.place, f"must be true or false, not {show(node)}")


def read_path(node: Node) -> str:
    """A path, perhaps with a query."""
    path = read_text(node)
    if "://" in path:
        raise StepError(node.place, f"must be a path, not {show_text(path)}: write only what comes after the host, as /echo")
    if not path.startswith("/"):
        raise StepError(node.place, f"must be a path, not {show_text(path)}: write /{path}")
    _no_control(node, path)
    return path


def read_headers(node: Node) -> Mapping[str, str]:
    """Headers by name."""
    if not isinstance(node, MappingNode):
        raise StepError(node.place, f"must be a mapping of header names to texts, not {show(node)}")
    headers = {}
    for key, value in node.pairs:
        if not _TOKEN.fullmatch(key.text):
            raise StepError(key.place, f"has a name that no header can have, {show_text(key.text)}: letters, digits and - are allowed")
        if not isinstance(value, ScalarNode) or value.value is None:
            raise StepError(value.place, f"must have text for {key.text}, not {show(value)}")
        _no_control(value, value.text)
        headers[key.text] = value.text
    return headers


def read_subprotocols(node: Node) -> tuple[str, ...]:
    """The subprotocols that the client offers: one or several."""
    names = read_texts(node)
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise StepError(node.place, f"cannot be {show_text(name)}: letters, digits, dots and - are allowed, as chat.v1")
    return names


def _items(node: Node) -> tuple[Node, ...]:
    """The items of a list, or the value itself."""
    if not isinstance(node, SequenceNode):
        return (node,)
    if not node.items:
        raise StepError(node.place, "is an empty list: give it one value at least")
    return node.items


def _quoted(node: Node) -> str:
    """The cure for a value that YAML does not take for text."""
    return f': write "{node.text}" in quotes' if isinstance(node, ScalarNode) and node.text and not node.broken else ""


def _binary(node: Node) -> bytes:
    try:
        if isinstance(node, ScalarNode) and node.value is not None:
            return bytes.fromhex(node.text)
    except ValueError:
        pass
    raise StepError(node.place, f"must be binary in hexadecimal, not {show(node)}: write pairs of digits, as 00 ff 10")


def _pattern(node: Node) -> re.Pattern[str]:
    text = read_text(node)
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise StepError(node.place, f"is no regular expression: {error}; put a backslash before a character that is meant as it is") from None


def _no_control(node: Node, text: str) -> None:
    if _CONTROL.search(text):
        raise StepError(node.place, f"has a control character in {show_text(text)}: delete it")


def _code_and_reason(node: Node, name: str, allowed: range, what: str) -> tuple[int | None, str | None]:
    """`true`, a number, or a mapping of a number and a reason."""
    if isinstance(node, MappingNode):
        for key, _ in node.pairs:
            if key.text not in {name, "reason"}:
                raise StepError(key.place, f"has an unknown key {show_text(key.text)}: {suggest(key.text, (name, 'reason'))}")
        number, reason = node.find(name), node.find("reason")
        return (_number(number, allowed, what) if number is not None else None), (read_text(reason) if reason is not None else None)
    if isinstance(node, ScalarNode) and node.value is True:
        return None, None
    return _number(node, allowed, what), None


def _number(node: Node, allowed: range, what: str) -> int:
    if isinstance(node, ScalarNode) and isinstance(node.value, int) and not isinstance(node.value, bool) and node.value in allowed:
        return node.value
    raise StepError(node.place, f"must be {what}, not {show(node)}")
