"""Which web pages may connect: the `Origin` header held against a route's `origins` (RFC 6454; RFC 6455, section 10.2).

Browsers tell the truth about the page they show, so this keeps foreign pages out of a user's session. Other programs send
no Origin or any; they are not held back here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from wsrouter.access.hosts import parse_host

ALLOWED_FORMS: Final = 'same-host, "*", "null", https://example.com, https://example.com:8443, https://*.example.com or "http://localhost:*"'

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,63}")
_OPAQUE: Final = frozenset({"null", "file://"})  # pages from files: nearly all browsers send null, some web views file://
_LOOPBACK: Final = re.compile(r"(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\]")


class Origin(NamedTuple):
    """Where a page comes from. The port is the scheme's default where none is written; None where the scheme has none."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        """As browsers write it: lower case, without a default port."""
        return f"{self.scheme}://{self.host}" + ("" if self.port == _DEFAULT_PORTS.get(self.scheme) else f":{self.port}")


class OriginRule(NamedTuple):
    """One text of the setting. `special` says which of the texts it is that are no origin; `host` may begin with `*.`."""

    special: Literal["", "same-host", "any", "opaque"] = ""
    scheme: str = ""
    host: str = ""
    port: int | Literal["any"] | None = None

    def admits(self, origin: Origin) -> bool:
        """Whether an origin is the one, or one of those, that the rule names; `*` stands for exactly one label."""
        if self.scheme != origin.scheme or self.port not in {"any", origin.port}:
            return False
        if self.host.startswith("*."):
            label, _, parent = origin.host.partition(".")
            return bool(label) and parent == self.host[2:]
        return self.host == origin.host


def parse_origin(text: str) -> Origin | None:
    """An `Origin` header, or None where it is not `scheme://host` with or without a port: no path, no user, nothing around it."""
    scheme, separator, rest = text.partition("://")
    host = parse_host(rest) if separator else None
    if host is None or rest.endswith(":") or _SCHEME.fullmatch(scheme) is None:
        return None
    scheme = scheme.lower()
    return Origin(scheme, host[0], _DEFAULT_PORTS.get(scheme) if host[1] is None else host[1])


def parse_origin_rule(text: str) -> OriginRule:
    """One text of the setting.

    Raises:
        ValueError: with what is allowed, and the nearest thing that is.
    """
    if text == "same-host":
        return OriginRule("same-host")
    if text == "*":
        return OriginRule("any")
    if text.lower() in _OPAQUE:
        return OriginRule("opaque", host=text.lower())
    any_port, wildcard = text.endswith(":*"), "://*." in text
    # Fill in the stars, so that the rest is held to the form of an origin.
    origin = parse_origin(text.removesuffix(":*").replace("://*.", "://", 1))
    if origin is None or (wildcard and origin.host.startswith("[")):
        raise ValueError(_cure_rule(text))
    return OriginRule("", origin.scheme, f"*.{origin.host}" if wildcard else origin.host, "any" if any_port else origin.port)


class OriginPolicy:
    """A route's `origins`, compiled. Without an Origin header everybody is admitted."""

    __slots__ = ("_any", "_dev", "_opaque", "_rules", "_same_host", "_texts")

    def __init__(self, setting: str | Sequence[str] = "same-host", *, dev: bool = False) -> None:
        """`dev` also admits pages from files, and those from this machine, of any port.

        Raises:
            ValueError: if one of the texts is none of the forms that are allowed.
        """
        self._texts = (setting,) if isinstance(setting, str) else tuple(setting)
        rules = [parse_origin_rule(text) for text in self._texts]
        self._any = any(rule.special == "any" for rule in rules)
        self._same_host = any(rule.special == "same-host" for rule in rules)
        self._opaque = frozenset(rule.host for rule in rules if rule.special == "opaque") | (_OPAQUE if dev else frozenset())
        self._rules = tuple(rule for rule in rules if not rule.special)
        self._dev = dev

    def admits(self, origin: str | None, host: str) -> bool:
        """Whether a page of this origin may connect to this `Host`."""
        if origin is None or self._any:
            return True
        if origin in self._opaque:
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        if self._same_host and is_same_host(parsed, host):
            return True
        if self._dev and parsed.scheme in _DEFAULT_PORTS and _LOOPBACK.fullmatch(parsed.host):
            return True
        return any(rule.admits(parsed) for rule in self._rules)

    def cure(self, origin: str) -> str:
        """The line of YAML that would admit an origin, with what is admitted now; empty where no line could."""
        if origin in _OPAQUE:
            text = origin
        else:
            parsed = parse_origin(origin)
            if parsed is None:
                return ""
            text = str(parsed)
        return f"origins: [{', '.join(_to_yaml(each) for each in [*self._texts, text])}]"


def is_same_host(origin: Origin, host: str) -> bool:
    """Whether a page's host and port are those of a `Host` header. Of http and https either will do, as a proxy may end TLS."""
    asked = parse_host(host)
    default = _DEFAULT_PORTS.get(origin.scheme)
    if asked is None or default is None:
        return False
    return origin.host == asked[0] and origin.port == (default if asked[1] is None else asked[1])


def _to_yaml(text: str) -> str:
    """A text as an element of a YAML list in brackets."""
    return f'"{text}"' if text in {"null", "file://"} or any(mark in text for mark in "*[]") else text


def _cure_rule(text: str) -> str:
    """Why a text of the setting is no rule."""
    shown = repr(text if len(text) <= 80 else text[:80] + "…")
    scheme, separator, rest = text.partition("://")
    if not separator:
        near = f"https://{text.strip('/')}"
        hint = f"an origin begins with its scheme: write {near}, or" if _is_rule(near) else "write"
    elif "@" in rest:
        hint = "an origin names no user; write"
    elif rest.count("*") > rest.startswith("*.") + rest.endswith(":*"):
        hint = "a * stands for the first label of the host or for the port only; write"
    elif _is_rule(near := f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}"):
        hint = f"an origin ends after its host or port: write {near}, or"
    else:
        hint = "write"
    return f"{shown} is no origin; {hint} {ALLOWED_FORMS}"


def _is_rule(text: str) -> bool:
    """Whether a text is the form of an origin once its stars are filled in."""
    return parse_origin(text.removesuffix(":*").replace("://*.", "://", 1)) is not None
