"""Takes secrets out of texts that are shown: records, problems, errors. Pure.

Such texts quote what others wrote: the message of an exception, the address that a library could not reach, a line of source.
It is better to hide too much than too little; what is hidden is shown as `***`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

HIDDEN: Final = "***"

_WORDS: Final = r"token|secret|password|passwd|passphrase|api[-_]?key|access[-_]?key|private[-_]?key|credential"
_HEADERS: Final = r"(?:proxy-)?authorization|(?:set-)?cookie|sec[-_]websocket[-_]protocol"
_CONTEXT: Final = 256  # how far before a question mark a path is looked for


def hide_secrets(text: str) -> str:
    """A text without what it quotes of credentials: values of headers and variables that hold them, queries and user names of URLs, tokens.

    Takes time in proportion to the text, whatever is in it.
    """
    if not _suspicious().search(text):  # most texts
        return text
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    return _query().sub(_hide_query, text) if "?" in text else text


def hide_in_fact(name: str, value: object) -> object:
    """A fact's value (JSON's types) without secrets; all of it, where its name says that it is one."""
    if isinstance(value, str):
        return HIDDEN if value and _secret_name().search(name) else hide_secrets(value)
    if isinstance(value, list):
        return [hide_in_fact(name, item) for item in value]
    if isinstance(value, Mapping):
        return {key: hide_in_fact(str(key), item) for key, item in value.items()}
    return value


# Compiled at first use: most commands show no text that needs it.


@cache
def _suspicious() -> re.Pattern[str]:
    """Without one of these there is nothing to hide."""
    return re.compile(rf"[?]|://|eyJ|bearer|basic|{_WORDS}|{_HEADERS}", re.IGNORECASE)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What to look for, and what to put there. None may look at a character more than a few times."""
    return (
        (re.compile(rf"({_HEADERS})(\\?[\"']?\s*[:=,]\s*)[^\n]+", re.IGNORECASE), rf"\1\2{HIDDEN}"),
        (re.compile(rf"((?:{_WORDS})s?\\?[\"']?\s{{0,8}}[=:]\s{{0,8}}\\?[\"']?)[^\s\"',;&)}}\]\\]+", re.IGNORECASE), rf"\1{HIDDEN}"),
        (re.compile(r"(bearer,?\s{1,8})(?!(?:token|auth\w{0,12})\b)[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1{HIDDEN}"),
        (re.compile(r"([Bb]asic\s{1,8})(?=[a-z]{0,64}[A-Z0-9+/=])[A-Za-z0-9+/=]{6,}"), rf"\1{HIDDEN}"),
        (re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){0,4}"), HIDDEN),
        (re.compile(r"(?<=://)[^\s/?#]+@"), f"{HIDDEN}@"),
    )


@cache
def _query() -> re.Pattern[str]:
    return re.compile(r"\?[^\s\"'<>]+")


@cache
def _secret_name() -> re.Pattern[str]:
    return re.compile(rf"{_WORDS}|{_HEADERS}", re.IGNORECASE)


def _hide_query(match: re.Match[str]) -> str:
    """A query, where what stands before the question mark is an address or a path, or what follows holds `=`."""
    before = match.string[max(0, match.start() - _CONTEXT) : match.start()]
    in_path = "/" in before.rpartition(" ")[2]
    return f"?{HIDDEN}" if in_path or "=" in match[0] else match[0]
