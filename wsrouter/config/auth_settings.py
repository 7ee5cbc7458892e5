"""The setting `auth` of a route: how it is told who somebody is. Exactly one way, and where the credentials may stand."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Struct, field

from wsrouter.api.options import Duration, Option, OptionError

WAYS: Final = ("tokens", "jwt", "basic", "forward", "plugin")
KEYS: Final = ("key", "file", "jwks")
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"]
_SECRET: Final = {"secret": True}
_NAME: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"


class Jwt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """JSON Web Tokens: the key that checks them, and what they must say."""

    key: Annotated[
        Annotated[str, Option(min_length=1)] | None,
        Option(description="A secret of 32 bytes or more for HS256, or the PEM text of a public key.", extra=_SECRET),
    ] = None
    file: Annotated[Annotated[str, Option(min_length=1)] | None, Option(description="A PEM file with a public key or certificate.")] = None
    jwks: Annotated[
        Annotated[str, Option(pattern=r"^https?://[^\s]+$")] | None, Option(description="The address of a JWK set, whose keys are fetched and kept.")
    ] = None
    algorithms: Annotated[list[Algorithm], Option(description="The algorithms that may have signed them; empty are those of the key's kind.")] = field(
        default_factory=list
    )
    issuer: Annotated[str | list[str], Option(description="Who must have made them (iss); one or a list; empty is anybody.")] = ""
    audience: Annotated[str | list[str], Option(description="For whom they must be made (aud); one or a list; empty takes only those without an audience.")] = (
        ""
    )
    leeway: Annotated[Duration, Option(ge=0, le=600, description="How far the clocks may differ.")] = 10.0
    require: Annotated[list[str], Option(description="Claims that must be there.")] = field(default_factory=lambda: ["exp"])
    user: Annotated[str, Option(min_length=1, description="The claim that names the user.")] = "sub"
    # Precedents: Auth0 and Okta recommend 10 to 60 minutes, nginx's auth_jwt caches as long as it is told.
    refresh: Annotated[Duration, Option(ge=1, description="How old the keys of a JWK set may get before they are fetched again.")] = 600.0


class Forward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sub-request that decides, as nginx's auth_request."""

    url: Annotated[str, Option(pattern=r"^https?://[^\s]+$", description="Where it is asked, with the headers of the client.")]
    # Precedents: nginx 60 s, Envoy's ext_authz 200 ms, Traefik 30 s.
    timeout: Annotated[Duration, Option(gt=0, le=60, description="How long the answer may take.")] = 3.0
    user: Annotated[str, Option(pattern=_NAME, description="The header of its answer that names the user.")] = "X-User"
    roles: Annotated[str, Option(pattern=_NAME, description="The header of its answer that lists the user's roles, with commas between.")] = "X-Roles"


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it is told who somebody is."""

    tokens: Annotated[
        dict[str, str] | Annotated[str, Option(min_length=1)] | None,
        Option(description="Named tokens: a mapping of name to token, or a file with a name and a token a line.", extra=_SECRET),
    ] = None
    jwt: Annotated[Jwt | None, Option(description="JSON Web Tokens, checked with a key, a PEM file or a JWK set.")] = None
    basic: Annotated[Annotated[str, Option(min_length=1)] | None, Option(description="Names and passwords: a file as htpasswd -B makes it.")] = None
    forward: Annotated[Forward | None, Option(description="An address that is asked for each client.")] = None
    plugin: Annotated[
        Annotated[str, Option(min_length=1)] | None,
        Option(description="A plugin file with a function of its name: async def sessions(request) -> User | None."),
    ] = None
    cookie: Annotated[Annotated[str, Option(pattern=_NAME)] | None, Option(description="A cookie that may hold the token; an Origin is then required.")] = None
    query: Annotated[Annotated[str, Option(pattern=_NAME)] | None, Option(description="A query parameter that may hold the token; no record shows it.")] = None
    refuse: Annotated[
        Literal["http", "close"],
        Option(description="How a client is kept out: by an HTTP status, or accepted and closed with 4401 or 4403, which pages can read."),
    ] = "http"


def check_auth(auth: Auth) -> None:
    """One way, and places that it reads.

    Raises:
        OptionError: if there is none or more than one, or a place for a token where none is wanted.
    """
    given = [name for name in WAYS if getattr(auth, name) is not None]
    if len(given) != 1:
        what = f"{' and '.join(given)} are" if given else "none is"
        raise OptionError(f"one of {', '.join(WAYS)} is needed: {what} given", given[1] if len(given) > 1 else None)
    for name in ("cookie", "query"):
        if getattr(auth, name) is not None and given[0] not in {"tokens", "jwt"}:
            raise OptionError(f"{name} is for tokens and jwt; {given[0]} looks at the request itself: delete it", name)


def check_jwt(jwt: Jwt) -> None:
    """One source of keys, and algorithms that go with it.

    Raises:
        OptionError: if there is none or more than one; if public keys were to check an HMAC.
    """
    given = [name for name in KEYS if getattr(jwt, name) is not None]
    if len(given) != 1:
        what = f"{' and '.join(given)} are" if given else "none is"
        raise OptionError(f"one of {', '.join(KEYS)} is needed: {what} given", given[1] if len(given) > 1 else None)
    if given[0] != "key" and any(name.startswith("HS") for name in jwt.algorithms):
        raise OptionError(f"{given[0]} holds public keys, with which anybody could make an HMAC: delete HS256 and its like from algorithms", "algorithms")
