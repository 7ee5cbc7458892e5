"""Makes the doors of a site: from `auth` as checked to what decides who may come in. What cannot work is a problem at its place.

Routes that say the same share one door, and a door that a reload did not change goes on with the keys and answers that it has.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from wsrouter.config.auth_settings import Auth
from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, Problems, relative_to_here

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsrouter.access.decision import Authenticator
    from wsrouter.access.door import Door
    from wsrouter.access.jwt import Key, Keys
    from wsrouter.access.sources.plugin import Sessions
    from wsrouter.config.auth_settings import Forward, Jwt
    from wsrouter.config.site_file import RouteEntry
    from wsrouter.plugins.library import HandlerLibrary

MAX_FILE_BYTES: Final = 1 << 20
_EXTRAS: Final = {"jwt": "jwt", "cryptography": "jwt", "bcrypt": "basic", "aiohttp": "http"}


class _Problem(Exception):  # noqa: N818 -- it becomes a problem of the site
    """Something that keeps a door from being made. `key` is the setting below `auth` to point at; `place` overrules it."""

    def __init__(self, message: str, key: str = "", place: Place | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.place = place


class Doors:
    """The doors of one site, each made once."""

    def __init__(self, folder: Path, library: HandlerLibrary, problems: Problems, before: Sequence[Door] = ()) -> None:
        """`folder` is what files are relative to; `before` are the doors of the site that serves now."""
        self._folder = folder
        self._library = library
        self._problems = problems
        self._before = before
        self._made: list[tuple[Auth, Door | None]] = []

    def door_of(self, entry: RouteEntry) -> Door | None:
        """The door of a route; None where it has none, or where it cannot be made, which is noted."""
        auth = entry.settings.auth
        if not isinstance(auth, Auth):
            if entry.settings.allow is not None and "auth" not in entry.sources:  # what opens a route itself may leave allow to the others
                place = entry.sources.get("allow", entry.place)
                self._problems.add(place, "allow says which users may come in, and nobody is known without auth: add auth, or delete it")
            return None
        for known, door in self._made:
            if known is auth or known == auth:
                return door
        if auth.cookie is not None and "*" in ([entry.settings.origins] if isinstance(entry.settings.origins, str) else entry.settings.origins):
            place = entry.sources.get("auth.cookie", entry.place)
            self._problems.warn(place, 'origins: "*" lets every web page use the cookie of whoever looks at it: name the origins of your own pages')
        door = self._make(auth, entry)
        self._made.append((auth, door))
        return door

    def _make(self, auth: Auth, entry: RouteEntry) -> Door | None:
        from wsrouter.access.door import Door

        try:
            door = Door(self._authenticator(auth), auth.cookie, auth.query, auth.refuse)
        except _Problem as problem:
            at = entry.sources.get(f"auth.{problem.key}") or entry.sources.get("auth", entry.place)
            self._problems.add(problem.place or at, str(problem))
            return None
        return next((old for old in self._before if old.same_as(door)), door)

    def _authenticator(self, auth: Auth) -> Authenticator:
        if auth.tokens is not None:
            return self._of_tokens(auth.tokens)
        if auth.jwt is not None:
            return self._of_jwt(auth.jwt)
        if auth.basic is not None:
            return self._of_basic(auth.basic)
        if auth.forward is not None:
            return self._of_forward(auth.forward)
        assert auth.plugin is not None
        return self._of_plugin(auth.plugin)

    def _of_forward(self, forward: Forward) -> Authenticator:
        _need("aiohttp", "forward", "auth: {forward: …}")
        from wsrouter.access.sources.forward import ForwardAuthenticator

        return ForwardAuthenticator(forward.url, forward.timeout, forward.user, forward.roles)

    def _of_plugin(self, name: str) -> Authenticator:
        from wsrouter.access.sources.plugin import PluginAuthenticator

        try:
            function = self._library.find_function(name)
        except HandlerProblem as problem:
            raise _Problem(problem.message, "plugin", problem.place) from None
        if not callable(function):
            raise _Problem(f"{name} is no function: write async def {name.rpartition(':')[2]}(request) in it, which returns a User or None", "plugin")
        return PluginAuthenticator(name, cast("Sessions", function))

    def _of_tokens(self, tokens: dict[str, str] | str) -> Authenticator:
        from wsrouter.access.tokens import TokenAuthenticator, TokenFileError, check_token, parse_tokens

        if isinstance(tokens, str):
            file = tokens
            try:
                tokens = parse_tokens(self._read(file, "tokens"))
            except TokenFileError as error:
                raise _Problem(str(error), place=Place(relative_to_here(self._folder / file), error.line)) from None
        if not tokens:
            raise _Problem("there is no token, so nobody could come in: add a line with a name and a token", "tokens")
        for name, token in tokens.items():
            problem = check_token(name, token)
            if problem is not None:
                raise _Problem(problem, f"tokens.{name}")
        if len(set(tokens.values())) != len(tokens):
            raise _Problem("two names have the same token: give each its own", "tokens")
        return TokenAuthenticator(tokens)

    def _of_jwt(self, jwt: Jwt) -> Authenticator:
        _need("jwt", "jwt", "auth: {jwt: …}")
        _need("cryptography", "jwt", "auth: {jwt: …}")
        from wsrouter.access.jwt import Expected, JwtAuthenticator

        expected = Expected(_texts(jwt.issuer), _texts(jwt.audience), jwt.leeway, tuple(jwt.require), jwt.user)
        return JwtAuthenticator(self._keys(jwt), expected)

    def _keys(self, jwt: Jwt) -> Keys:
        from wsrouter.access.jwt import KeyProblem, OneKey, make_key

        if jwt.jwks is not None:
            _need("aiohttp", "jwt.jwks", "jwks: …")
            from wsrouter.access.sources.jwks import JwksKeys

            return JwksKeys(jwt.jwks, jwt.algorithms, jwt.refresh)
        name = "key" if jwt.key is not None else "file"
        text = jwt.key if jwt.key is not None else self._read(cast("str", jwt.file), "jwt.file")
        if name == "file" and "-----BEGIN" not in text:
            raise _Problem("there is no PEM text in it; for a secret write key: ${file:…}", "jwt.file")
        try:
            key: Key = make_key(text, jwt.algorithms)
        except KeyProblem as error:
            raise _Problem(str(error), f"jwt.{name}") from None
        return OneKey(key)

    def _of_basic(self, name: str) -> Authenticator:
        _need("bcrypt", "basic", "auth: {basic: …}")
        from wsrouter.access.passwords import PasswordFileError, parse_password_file
        from wsrouter.access.sources.password_file import PasswordAuthenticator

        try:
            hashes = parse_password_file(self._read(name, "basic"))
        except PasswordFileError as error:
            raise _Problem(str(error), place=Place(relative_to_here(self._folder / name), error.line)) from None
        if not hashes:
            raise _Problem(f"{name} has no user, so nobody could come in: htpasswd -B {name} NAME adds one", "basic")
        return PasswordAuthenticator(hashes)

    def _read(self, name: str, key: str) -> str:
        """A file beside the site."""
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise _Problem(f"{name} is over {MAX_FILE_BYTES >> 20} MiB", key)
            return data.decode()
        except OSError as error:
            raise _Problem(f"{name} cannot be read: {error.strerror or error}", key) from None
        except ValueError:
            raise _Problem(f"{name} is not UTF-8 text", key) from None


def _need(module: str, key: str, what: str) -> None:
    """A package that only some sites need."""
    if find_spec(module) is None:
        raise _Problem(f"{what} needs the package {module}: pip install 'wsrouter[{_EXTRAS[module]}]'", key)


def _texts(value: str | list[str]) -> tuple[str, ...]:
    """One or a list, as a tuple without empty texts."""
    return tuple(text for text in ([value] if isinstance(value, str) else value) if text)
