"""Password files as `htpasswd -B` makes them: a name and a bcrypt hash a line. Pure; checking a password is in `sources.password_file`."""

from __future__ import annotations

import re
from typing import Final

from wsrouter.access.credentials import MAX_NAME

MAX_COST: Final = 15  # 2 s a check; each step doubles it, and 31 would take a day of a thread

_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")


class PasswordFileError(ValueError):
    """A line of a password file that cannot be read. Its text holds no hash."""

    def __init__(self, line: int, message: str) -> None:
        """`line` counts from 1."""
        super().__init__(message)
        self.line = line


def parse_password_file(text: str) -> dict[str, str]:
    """Name to hash; empty lines and those that begin with # say nothing.

    Raises:
        PasswordFileError: for the first line that is no name and bcrypt hash.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, hashed = line.strip().partition(":")
        match = _BCRYPT.fullmatch(hashed)
        if not colon or not name or len(name) > MAX_NAME:
            raise PasswordFileError(number, "a line is name:hash")
        if match is None:
            raise PasswordFileError(number, f"the hash of {name!r} is not of bcrypt: make it again with htpasswd -B")
        if not 4 <= int(match[1]) <= MAX_COST:
            raise PasswordFileError(number, f"the hash of {name!r} has a cost of {int(match[1])}: 4 to {MAX_COST} are allowed, htpasswd -B -C 12 makes one")
        if name in found:
            raise PasswordFileError(number, f"the name {name!r} stands there twice: delete one")
        found[name] = hashed
    return found
