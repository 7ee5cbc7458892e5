"""JSON Web Tokens: whether one is genuine and for us, and whose it is (RFC 7519, RFC 8725). Pure but for PyJWT, which is an extra.

The algorithms come from the key, or from the site; never from the token. `none` is never among them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from wsrouter.access.credentials import MAX_NAME, Credentials
from wsrouter.access.decision import Authenticator, Decision, Later, Rejected, unavailable, wrong
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.user import User

if TYPE_CHECKING:
    from typing import Any

HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The shortest key of each: as long as its hash (RFC 7518, section 3.2)."""
RSA: Final = ("RS256", "RS384", "RS512")
ELLIPTIC: Final = ("ES256", "ES384", "ES512")
ALGORITHMS: Final = (*HMAC_BYTES, *RSA, *ELLIPTIC, "EdDSA")
MIN_RSA_BITS: Final = 2048  # RFC 7518, section 3.3
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_MAX_EXP: Final = 253402300800  # the year 10000: what is later is no date


class KeyProblem(ValueError):  # noqa: N818 -- it is told of as a problem of the site
    """A key that cannot be used; the text says why and what to do, without the key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key with the algorithms that it may check."""

    material: Any
    algorithms: tuple[str, ...]
    identity: str
    """What tells it from others: a digest."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say besides being genuine."""

    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    leeway_s: float = 10.0
    required: tuple[str, ...] = ("exp",)
    user_claim: str = "sub"


class Keys(Protocol):
    """Where keys come from."""

    identity: object
    """Keys of equal identity are the same."""

    def find(self, kid: str | None) -> Key | Rejected | Callable[[], Awaitable[Key | Rejected]]:
        """The key of a token that names `kid`; or why there is none; or what finds out either, when it is called."""

    def close(self) -> None:
        """Gives back what is held open."""


class OneKey:
    """The key that the site gives; whatever `kid` a token names."""

    def __init__(self, key: Key) -> None:
        """The key."""
        self._key = key
        self.identity: object = (key.identity, key.algorithms)

    def find(self, kid: str | None) -> Key:
        """It."""
        return self._key

    def close(self) -> None:
        """Nothing is open."""


class JwtAuthenticator:
    """Tells whose token it is. A key at hand decides at once; one that must be fetched later."""

    takes_credentials = True
    challenge = "Bearer"

    def __init__(self, keys: Keys, expected: Expected) -> None:
        """The keys, and what tokens must say."""
        self._keys = keys
        self._expected = expected

    def authenticate(self, credentials: Credentials | None, request: HandshakeRequest) -> Decision | Later:
        """Who it is, or why nobody."""
        assert credentials is not None
        if not credentials.token:
            return wrong("a password where a token is wanted")
        kid = key_id(credentials.token)
        if isinstance(kid, bytes):
            return wrong("no JSON Web Token")
        found = self._keys.find(kid)
        if isinstance(found, Key):
            return verify(credentials.token, found, self._expected)
        if isinstance(found, Rejected):
            return found
        return partial(self._later, found, credentials.token)

    async def _later(self, finding: Callable[[], Awaitable[Key | Rejected]], token: str) -> Decision:
        found = await finding()
        return verify(token, found, self._expected) if isinstance(found, Key) else found

    def still_knows(self, user: str, before: Authenticator) -> bool | None:
        """Their token is looked at again."""
        return None

    def same_as(self, other: Authenticator) -> bool:
        """Whether keys and expectations are the same."""
        return isinstance(other, JwtAuthenticator) and self._keys.identity == other._keys.identity and self._expected == other._expected

    def close(self) -> None:
        """Closes where the keys come from."""
        self._keys.close()


def key_id(token: str) -> str | bytes | None:
    """The `kid` that a token names, None where it names none; `b""` where it is no token."""
    import jwt

    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except Exception:  # noqa: BLE001 -- PyJWT raises many things on what a client makes up
        return b""
    return kid if isinstance(kid, str) and len(kid) <= MAX_NAME else None


def verify(token: str, key: Key, expected: Expected) -> Decision:
    """The user of a token. What is told of a bad one is what is wrong with it, never what stands in it."""
    import jwt

    try:
        claims = jwt.decode(
            token,
            key.material,
            algorithms=list(key.algorithms),
            issuer=list(expected.issuers) or None,
            audience=list(expected.audiences) or None,
            leeway=expected.leeway_s,
            options={"require": list(expected.required)},
        )
        expires_at = float(claims["exp"]) + expected.leeway_s if "exp" in claims else None
    except jwt.ExpiredSignatureError:
        return wrong("the token has expired", is_guess=False)
    except jwt.ImmatureSignatureError:
        return wrong("the token is not valid yet: are the clocks right?", is_guess=False)
    except jwt.InvalidAudienceError:
        return wrong("the token is for another audience" if expected.audiences else "the token has an audience: set audience", is_guess=False)
    except jwt.InvalidIssuerError:
        return wrong("the token is of another issuer", is_guess=False)
    except jwt.MissingRequiredClaimError as error:
        return wrong(f"the token lacks the claim {error.claim}", is_guess=False)
    except jwt.InvalidAlgorithmError:
        return wrong(f"the token is not signed with {' or '.join(key.algorithms)}")
    except jwt.InvalidSignatureError:
        return wrong("the token is signed with another key")
    except Exception:  # noqa: BLE001 -- PyJWT raises many things on what a client makes up
        return wrong("no valid JSON Web Token")
    if expires_at is not None and not 0 < expires_at < _MAX_EXP:
        return wrong("the token's exp is no date")
    return _user_of(claims, expected, expires_at)


def _user_of(claims: Mapping[str, object], expected: Expected, expires_at: float | None) -> Decision:
    name = claims.get(expected.user_claim)
    if not isinstance(name, str) or not name or len(name) > MAX_NAME or not name.isprintable():
        return wrong(f"the token names no user: its claim {expected.user_claim} is no text of 1 to {MAX_NAME} characters", is_guess=False)
    return User(name, dict(claims), expires_at)


def make_key(text: str, algorithms: Sequence[str] = ()) -> Key:
    """A key from its text: PEM of a public key or certificate, else the secret of an HMAC. `algorithms` empty are those of the key's kind.

    Raises:
        KeyProblem: if it is too short, of no known kind, a private key, or not for these algorithms.
    """
    from hashlib import sha256

    identity = sha256(text.encode()).hexdigest()
    if "-----BEGIN" not in text:
        return Key(text.encode(), _hmac_algorithms(text.encode(), algorithms), identity)
    if "PRIVATE KEY-----" in text:
        raise KeyProblem("this is a private key: give the public one, which is all that is needed to check tokens (openssl pkey -in key.pem -pubout)")
    material = _load_pem(text)
    return Key(material, _chosen(_algorithms_of(material), algorithms, "this key"), identity)


def _hmac_algorithms(secret: bytes, algorithms: Sequence[str]) -> tuple[str, ...]:
    fitting = tuple(name for name, least in HMAC_BYTES.items() if len(secret) >= least)
    if not fitting:
        raise KeyProblem(f"the key has {len(secret)} bytes: at least 32 keep an HMAC from being guessed, make one with openssl rand -hex 32")
    for name in algorithms:
        if name in HMAC_BYTES and name not in fitting:
            raise KeyProblem(f"the key has {len(secret)} bytes: {name} needs {HMAC_BYTES[name]}")
    return _chosen(fitting, algorithms, "a secret")


def _chosen(fitting: tuple[str, ...], wanted: Sequence[str], what: str) -> tuple[str, ...]:
    """The wanted algorithms, if all are for the key; a public key that served as an HMAC secret would let anybody sign."""
    for name in wanted:
        if name not in fitting:
            raise KeyProblem(f"{name} is not for {what}: {' and '.join(fitting)} {'is' if len(fitting) == 1 else 'are'}")
    return tuple(wanted) or fitting


def _load_pem(text: str) -> Any:
    """The public key in PEM text."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        if "BEGIN CERTIFICATE-----" in text:
            return load_pem_x509_certificate(text.encode()).public_key()
        return load_pem_public_key(text.encode())
    except Exception as error:  # noqa: BLE001 -- cryptography raises several of its own
        raise KeyProblem(f"the PEM text holds no public key: {type(error).__name__}") from None


def _algorithms_of(material: Any) -> tuple[str, ...]:
    """The algorithms of a public key."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if isinstance(material, RSAPublicKey):
        if material.key_size < MIN_RSA_BITS:
            raise KeyProblem(f"the RSA key has {material.key_size} bits: {MIN_RSA_BITS} are the least")
        return RSA
    if isinstance(material, EllipticCurvePublicKey) and material.curve.name in _CURVES:
        return (_CURVES[material.curve.name],)
    if isinstance(material, Ed25519PublicKey | Ed448PublicKey):
        return ("EdDSA",)
    raise KeyProblem("the key is of no kind that tokens are signed with here: RSA, P-256, P-384, P-521, Ed25519 and Ed448 are")


def parse_jwks(document: object, algorithms: Sequence[str] = ()) -> dict[str | None, Key]:
    """The keys of a JWK set (RFC 7517) by `kid`; those for encryption, symmetric ones and those of unknown kinds are left out.

    Raises:
        KeyProblem: if it is no set, or has no key that could check a token.
    """
    import json
    from hashlib import sha256

    import jwt

    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise KeyProblem('what came is no JWK set: {"keys": [...]}')
    keys: dict[str | None, Key] = {}
    for entry in listed[:MAX_KEYS]:
        if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig" or entry.get("kty") not in {"RSA", "EC", "OKP"}:
            continue
        try:
            material = jwt.PyJWK(dict(entry), algorithm=_jwk_algorithm(entry)).key
            fitting = _algorithms_of(material)
        except Exception:  # noqa: BLE001, S112 -- one key that is none must not keep the others out
            continue
        named = entry.get("alg")
        usable = tuple(name for name in fitting if (not algorithms or name in algorithms) and named in {None, name})
        kid = entry.get("kid")
        if usable:
            identity = sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
            keys[kid if isinstance(kid, str) else None] = Key(material, usable, identity)
    if not keys:
        raise KeyProblem("the JWK set has no key that could check a token")
    return keys


MAX_KEYS: Final = 100
"""So many keys of a set are looked at; issuers have two or three."""


def _jwk_algorithm(entry: Mapping[str, object]) -> str | None:
    """What PyJWT needs to be told of a key without `alg`: it knows the curves, of RSA any does."""
    return "RS256" if entry.get("kty") == "RSA" else None


def no_key(known: int) -> Rejected:
    """No key has the name that a token gives."""
    return wrong(f"the token names none of the {known} keys that are known")


def no_keys(detail: str) -> Rejected:
    """There are no keys yet."""
    return unavailable(detail, "look whether the JWKS address answers")
