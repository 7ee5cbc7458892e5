"""Named tokens: who has which. Pure; a token is compared in a time that says nothing of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from wsrouter.access.credentials import MAX_NAME, Credentials
from wsrouter.access.decision import Authenticator, Decision, wrong
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.user import User

MIN_TOKEN: Final = 16  # characters; 16 hexadecimal digits are 64 bits, the least that nobody guesses at ten a minute

# Tokens are found by a digest that only this process can make: how long the finding takes says nothing of a token.
_KEY: Final = secrets.token_bytes(32)


class TokenFileError(ValueError):
    """A line of a file of tokens that cannot be read. Its text holds no token."""

    def __init__(self, line: int, message: str) -> None:
        """`line` counts from 1."""
        super().__init__(message)
        self.line = line


def parse_tokens(text: str) -> dict[str, str]:
    """A file of tokens: a name and a token a line, white space between; empty lines and those that begin with # say nothing.

    Raises:
        TokenFileError: for the first line that is none of these.
    """
    tokens: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise TokenFileError(number, "a line is a name and a token with a space between")
        name, token = words
        if name in tokens:
            raise TokenFileError(number, f"the name {name!r} stands there twice: give the second token another name")
        problem = check_token(name, token)
        if problem is not None:
            raise TokenFileError(number, problem)
        tokens[name] = token
    return tokens


def check_token(name: str, token: str) -> str | None:
    """What is wrong with a token, without it; None where nothing is."""
    if not name or len(name) > MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters"
    if not token.isascii() or not token.isprintable() or " " in token:
        return f"the token of {name!r} has characters other than printable ASCII, or spaces: make one with openssl rand -hex 32"
    if len(token) < MIN_TOKEN:
        return f"the token of {name!r} has {len(token)} characters: {MIN_TOKEN} are the least, make one with openssl rand -hex 32"
    return None


class TokenAuthenticator:
    """Tells who has a token."""

    takes_credentials = True
    challenge = "Bearer"

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """`tokens` is by name; tokens must differ."""
        self._users = {_digest(token): User(name) for name, token in tokens.items()}

    def authenticate(self, credentials: Credentials | None, request: HandshakeRequest) -> Decision:
        """At once."""
        assert credentials is not None
        if not credentials.token:
            return wrong("a password where a token is wanted")
        digest = _digest(credentials.token)
        user = self._users.get(digest)
        return wrong("an unknown token") if user is None else user

    def still_knows(self, user: str, before: Authenticator) -> bool | None:
        """Their token is looked at again."""
        return None

    def same_as(self, other: Authenticator) -> bool:
        """Whether names and tokens are the same."""
        if not isinstance(other, TokenAuthenticator) or self._users.keys() != other._users.keys():
            return False
        return all(user == other._users[digest] for digest, user in self._users.items())

    def close(self) -> None:
        """Nothing is open."""


def _digest(token: str) -> bytes:
    return blake2b(token.encode(), key=_KEY, digest_size=32).digest()
