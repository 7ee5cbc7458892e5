"""Names and passwords, checked with bcrypt in two threads: a check takes 50 to 2,000 ms of a core, which the loop must not.

A password that was right is remembered by a digest that only this process can make, so that clients that come again cost nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Final

import bcrypt

from wsrouter.access.credentials import Credentials
from wsrouter.access.decision import Authenticator, Decision, Later, wrong
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.user import User

THREADS: Final = 2
MAX_REMEMBERED: Final = 10_000
_MAX_PASSWORD_BYTES: Final = 72  # bcrypt looks at no more, and version 5 refuses it
_KEY: Final = secrets.token_bytes(32)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """One pool for all password files of the process."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="wsrouter-passwords")


class PasswordAuthenticator:
    """Tells whose name and password these are."""

    takes_credentials = True
    challenge = 'Basic realm="wsrouter", charset="UTF-8"'

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """`hashes` is by name."""
        self._hashes = dict(hashes)
        self._right: dict[bytes, None] = {}
        # Somebody unknown takes as long as somebody with a wrong password: one of their hashes stands in.
        self._stand_in = next(iter(self._hashes.values())).encode()

    def authenticate(self, credentials: Credentials | None, request: HandshakeRequest) -> Decision | Later:
        """At once where the same password was right before."""
        assert credentials is not None
        if credentials.password is None:
            return wrong("a token where a name and a password are wanted")
        password, hashed = credentials.password.encode(), self._hashes.get(credentials.user, "").encode()
        if len(password) > _MAX_PASSWORD_BYTES:
            return wrong(f"a password over {_MAX_PASSWORD_BYTES} bytes")
        digest = blake2b(hashed + password, key=_KEY, digest_size=32).digest()
        if hashed and digest in self._right:
            return User(credentials.user)
        return partial(self._check, credentials.user, password, hashed, digest)

    async def _check(self, name: str, password: bytes, hashed: bytes, digest: bytes) -> Decision:
        right = await asyncio.get_running_loop().run_in_executor(_threads(), bcrypt.checkpw, password, hashed or self._stand_in)
        if not right or not hashed:
            return wrong("an unknown name or a wrong password")
        while len(self._right) >= MAX_REMEMBERED:
            del self._right[next(iter(self._right))]
        self._right[digest] = None
        return User(name)

    def still_knows(self, user: str, before: Authenticator) -> bool | None:
        """Whether their hash is the one that let them in."""
        if not isinstance(before, PasswordAuthenticator):
            return False
        return user in self._hashes and self._hashes[user] == before._hashes.get(user)

    def same_as(self, other: Authenticator) -> bool:
        """Whether names and hashes are the same."""
        return isinstance(other, PasswordAuthenticator) and self._hashes == other._hashes

    def close(self) -> None:
        """The threads are the process's."""
