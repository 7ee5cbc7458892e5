"""Who may come in, against the real process: every way, every place of a credential, expiry, reload, and what is never shown."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.client import connect
from support.daemon import Daemon, run_daemon, start_process

ALICE = "alice-canary-5f2c9e1ab3"
BOB = "bob-canary-77d0c41e9f"
SECRET = "hmac-canary-0123456789abcdef0123456789abcdef"

WHO = """
from wsrouter import Connection, Handler

class Who(Handler[str]):
    def on_message(self, connection: Connection, message: str):
        return {"user": connection.user, "claims": dict(connection.claims), "subprotocol": connection.subprotocol}
"""
TOKENS = f"{{tokens: {{alice: {ALICE}, bob: {BOB}}}}}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def who(daemon: Daemon, path: str = "/", **arguments: Any) -> dict[str, Any]:
    """What a handler sees of a client that is let in."""
    with connect(daemon.url(path), **arguments) as client:
        client.send("?")
        found = json.loads(client.recv(5))
        assert isinstance(found, dict)
        return found


def status(daemon: Daemon, path: str = "/", **arguments: Any) -> int:
    """The status with which a client is refused."""
    with pytest.raises(InvalidStatus) as refused:
        connect(daemon.url(path), **arguments)
    return int(refused.value.response.status_code)


def close_code(daemon: Daemon, path: str = "/", **arguments: Any) -> tuple[int, str]:
    """The close frame of a client that is accepted only to be told why it may not stay."""
    with connect(daemon.url(path), **arguments) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(5)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def site(auth: str, more: str = "", path: str = "/") -> str:
    return f"routes:\n  {path}:\n    who: {{}}\n    auth: {auth}\n    {more}\n"


def run(tmp_path: Path, text: str, **arguments: Any) -> Any:
    return run_daemon(text, tmp_path, plugins={"who.py": WHO, **arguments.pop("plugins", {})}, **arguments)


def hs_token(**claims: Any) -> str:
    return jwt.encode({"sub": "alice", "exp": time.time() + 60, **claims}, SECRET, "HS256")


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/", {"additional_headers": bearer(ALICE)}),
        ("/", {"additional_headers": {"authorization": f"bEARER  {ALICE}"}}),
        ("/", {"subprotocols": ["bearer", ALICE]}),
        (f"/?token={ALICE}", {}),
        ("/", {"additional_headers": {"Cookie": f"a=b; session={ALICE}"}, "origin": "{origin}"}),
    ],
    ids=["Authorization", "in any case", "subprotocol", "query", "cookie"],
)
def test_a_token_is_taken_from_each_place_and_no_record_shows_it(tmp_path: Path, path: str, arguments: dict[str, Any]) -> None:
    with run(tmp_path, site(f"{{tokens: {{alice: {ALICE}}}, cookie: session, query: token}}")) as daemon:
        if "origin" in arguments:
            arguments = {**arguments, "origin": daemon.url("").replace("ws:", "http:")}
        assert "alice" == who(daemon, path, **arguments)["user"]
        assert "alice" == daemon.wait_for("connection.opened")["user"]
        assert "alice" == daemon.wait_for("connection.closed")["user"]
        assert ALICE not in daemon.transcript()


@pytest.mark.parametrize(
    "arguments",
    [{}, {"additional_headers": bearer("wrong-canary-0123456")}, {"subprotocols": ["bearer"]}, {"additional_headers": {"Authorization": "Digest x"}}],
    ids=["none", "unknown", "bearer alone", "another scheme"],
)
def test_without_a_good_token_nobody_comes_in(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with run(tmp_path, site(TOKENS)) as daemon:
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url(), **arguments)
        assert (401, "Bearer") == (refused.value.response.status_code, refused.value.response.headers["WWW-Authenticate"])
        assert "unauthenticated" == daemon.wait_for("handshake.refused")["reason"]
        assert "canary" not in daemon.transcript()


def test_who_brings_no_credentials_is_told_of_with_the_places_where_they_may_stand(tmp_path: Path) -> None:
    with run(tmp_path, site(f"{{tokens: {{alice: {ALICE}}}, query: token}}")) as daemon:
        assert 401 == status(daemon)
        fix = daemon.wait_for("handshake.refused")["fix"]
        assert "send Authorization: Bearer TOKEN or the subprotocols bearer, TOKEN or the query parameter token" == fix


def test_a_cookie_without_an_origin_is_refused(tmp_path: Path) -> None:
    with run(tmp_path, site(f"{{tokens: {{alice: {ALICE}}}, cookie: session}}")) as daemon:
        assert 403 == status(daemon, additional_headers={"Cookie": f"session={ALICE}"})
        assert "origin" == daemon.wait_for("handshake.refused")["reason"]


def test_a_page_with_a_token_and_a_subprotocol_of_the_route_gets_that_one_else_bearer(tmp_path: Path) -> None:
    with run(tmp_path, site(TOKENS, "subprotocols: [chat.v1]")) as daemon:
        assert "chat.v1" == who(daemon, subprotocols=["bearer", ALICE, "chat.v1"])["subprotocol"]
        assert "bearer" == who(daemon, subprotocols=["bearer", ALICE])["subprotocol"]


def test_a_file_of_tokens_that_is_rotated_counts_at_reload_for_open_connections_too(tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(f"# who\nalice {ALICE}\nbob\t{BOB}\n")
    with run(tmp_path, site("{tokens: tokens.txt}")) as daemon:
        with connect(daemon.url(), additional_headers=bearer(ALICE)) as alice, connect(daemon.url(), additional_headers=bearer(BOB)) as bob:
            file.write_text(f"alice {ALICE}-new\nbob {BOB}\n")
            daemon.send_signal(1)
            with pytest.raises(ConnectionClosed) as closed:
                alice.recv(5)
            assert closed.value.rcvd is not None
            assert (1008, "access_revoked") == (closed.value.rcvd.code, closed.value.rcvd.reason)
            bob.send("?")
            assert "bob" == json.loads(bob.recv(5))["user"]
        assert 401 == status(daemon, additional_headers=bearer(ALICE))
        assert "alice" == who(daemon, additional_headers=bearer(f"{ALICE}-new"))["user"]


def test_who_is_no_longer_allowed_is_closed_at_reload_and_nobody_else(tmp_path: Path) -> None:
    with run(tmp_path, site(TOKENS)) as daemon:
        with connect(daemon.url(), additional_headers=bearer(ALICE)) as alice, connect(daemon.url(), additional_headers=bearer(BOB)) as bob:
            (tmp_path / "site.yaml").write_text(site(TOKENS, "allow: {user: bob}"))
            daemon.send_signal(1)
            with pytest.raises(ConnectionClosed):
                alice.recv(5)
            bob.send("?")
            assert "bob" == json.loads(bob.recv(5))["user"]
        assert "alice" == daemon.wait_for("connection.closed", cause="access_revoked")["user"]


def test_a_route_that_gets_auth_at_reload_closes_who_came_in_without(tmp_path: Path) -> None:
    with run(tmp_path, "routes: {/: who}") as daemon, connect(daemon.url()) as client:
        (tmp_path / "site.yaml").write_text(site(TOKENS))
        daemon.send_signal(1)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(5)
        assert closed.value.rcvd is not None
        assert "access_revoked" == closed.value.rcvd.reason


def test_allow_holds_the_user_against_the_path(tmp_path: Path) -> None:
    with run(tmp_path, site(TOKENS, 'allow: {user: "{device}"}', "/d/{device}")) as daemon:
        assert "alice" == who(daemon, "/d/alice", additional_headers=bearer(ALICE))["user"]
        assert 403 == status(daemon, "/d/bob", additional_headers=bearer(ALICE))
        assert "forbidden" == daemon.wait_for("handshake.refused")["reason"]


def test_refuse_close_accepts_and_closes_with_a_code_that_a_page_can_read(tmp_path: Path) -> None:
    text = site(f"{{tokens: {{alice: {ALICE}}}, refuse: close}}", "allow: {user: bob}")
    with run(tmp_path, text) as daemon:
        assert (4401, "unauthenticated") == close_code(daemon)
        assert (4403, "forbidden") == close_code(daemon, subprotocols=["bearer", ALICE])
        assert 401 == daemon.wait_for("handshake.refused")["status"]
        assert not daemon.find_records("connection.opened")


def test_refuse_close_tells_a_page_that_there_is_no_room_too(tmp_path: Path) -> None:
    text = site(f"{{tokens: {{alice: {ALICE}}}, refuse: close}}", "limits: {connections: 1}")
    with run(tmp_path, text) as daemon, connect(daemon.url(), subprotocols=["bearer", ALICE]):
        assert (1013, "full") == close_code(daemon, subprotocols=["bearer", ALICE])


@pytest.mark.parametrize("refuse", ["http", "close"])
def test_ten_wrong_tokens_a_minute_from_one_address_then_even_the_right_one_waits(tmp_path: Path, refuse: str) -> None:
    with run(tmp_path, site(f"{{tokens: {{alice: {ALICE}}}, refuse: {refuse}}}")) as daemon:
        for number in range(10):
            wrong = bearer(f"guess-{number}-0123456789")
            if refuse == "http":
                assert 401 == status(daemon, additional_headers=wrong)
            else:
                assert 4401 == close_code(daemon, additional_headers=wrong)[0]
        if refuse == "http":
            with pytest.raises(InvalidStatus) as refused:
                connect(daemon.url(), additional_headers=bearer(ALICE))
            assert 429 == refused.value.response.status_code
            assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 60
        else:
            assert (4429, "too_many") == close_code(daemon, additional_headers=bearer(ALICE))


def test_clients_without_credentials_are_refused_as_often_as_they_like(tmp_path: Path) -> None:
    with run(tmp_path, site(TOKENS)) as daemon:
        assert [401] * 12 == [status(daemon) for _ in range(12)]
        assert "alice" == who(daemon, additional_headers=bearer(ALICE))["user"]


def pem_of(private: Any) -> tuple[str, str]:
    """The private and the public key as PEM text."""
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


@pytest.mark.parametrize(
    ("algorithm", "private"),
    [
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("ES512", ec.generate_private_key(ec.SECP521R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["RS256", "ES256", "ES512", "EdDSA"],
)
def test_a_jwt_is_checked_with_a_pem_file(tmp_path: Path, algorithm: str, private: Any) -> None:
    secret, public = pem_of(private)
    (tmp_path / "public.pem").write_text(public)
    claims = {"sub": "alice", "exp": time.time() + 60, "roles": ["admin"]}
    with run(tmp_path, site("{jwt: {file: public.pem}}")) as daemon:
        found = who(daemon, additional_headers=bearer(jwt.encode(claims, secret, algorithm)))
        assert ("alice", ["admin"]) == (found["user"], found["claims"]["roles"])
        assert 401 == status(daemon, additional_headers=bearer(hs_token()))


def test_a_jwt_that_expires_closes_the_connection_that_it_opened(tmp_path: Path) -> None:
    with run(tmp_path, site(f"{{jwt: {{key: {SECRET}, leeway: 0s}}}}")) as daemon:
        began = time.time()
        expires = int(began) + 2
        with connect(daemon.url(), additional_headers=bearer(hs_token(exp=expires))) as client:
            client.send("?")
            assert "alice" == json.loads(client.recv(5))["user"]
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(10)
        assert closed.value.rcvd is not None
        assert (4401, "auth_expired") == (closed.value.rcvd.code, closed.value.rcvd.reason)
        assert expires <= time.time() < expires + 1
        assert "auth_expired" == daemon.wait_for("connection.closed")["cause"]
        assert SECRET not in daemon.transcript()


@pytest.mark.parametrize(
    ("claims", "settings", "detail"),
    [
        ({"exp": 1}, "", "the token has expired"),
        ({"nbf": 4_000_000_000}, "", "not valid yet"),
        ({"aud": "other"}, ", audience: chat", "another audience"),
        ({"aud": "other"}, "", "set audience"),
        ({"iss": "https://evil"}, ", issuer: https://id", "another issuer"),
        ({}, ", require: [exp, jti]", "lacks the claim jti"),
        ({"sub": ""}, "", "names no user"),
        ({"sub": "a\nb"}, "", "names no user"),
        ({"exp": 1e300}, "", "no date"),
    ],
)
def test_a_jwt_that_says_the_wrong_thing_is_refused_and_told_of(tmp_path: Path, claims: dict[str, Any], settings: str, detail: str) -> None:
    with run(tmp_path, site(f"{{jwt: {{key: {SECRET}{settings}}}}}")) as daemon:
        assert 401 == status(daemon, additional_headers=bearer(hs_token(**claims)))
        assert detail in daemon.wait_for("handshake.refused")["detail"]


def test_a_token_without_signature_or_with_a_public_key_as_its_secret_is_refused(tmp_path: Path) -> None:
    _, public = pem_of(rsa.generate_private_key(65537, 2048))
    (tmp_path / "public.pem").write_text(public)
    forged = _forge({"alg": "HS256", "typ": "JWT"}, public)
    with run(tmp_path, site("{jwt: {file: public.pem}}")) as daemon:
        assert 401 == status(daemon, additional_headers=bearer(jwt.encode({"sub": "alice", "exp": time.time() + 60}, None, "none")))
        assert 401 == status(daemon, additional_headers=bearer(forged))


def _forge(header: dict[str, str], secret: str) -> str:
    import hashlib
    import hmac

    def part(data: bytes) -> str:
        return b64encode(data, b"-_").decode().rstrip("=")

    signed = part(json.dumps(header).encode()) + "." + part(json.dumps({"sub": "alice", "exp": time.time() + 60}).encode())
    return signed + "." + part(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))


def test_broadcast_lets_some_publish_and_others_listen(tmp_path: Path) -> None:
    text = f"""
routes:
  /news/{{owner}}:
    broadcast: {{publish: {{user: "{{owner}}"}}}}
    auth: {TOKENS}
"""
    with run(tmp_path, text) as daemon:
        path = daemon.url("/news/alice")
        with connect(path, additional_headers=bearer(ALICE)) as alice, connect(path, additional_headers=bearer(BOB)) as bob:
            bob.send("dropped")
            bob.ping().wait(5)  # what bob sent before it is dealt with
            alice.send("kept")
            assert ("kept", "kept") == (alice.recv(5), bob.recv(5))


def test_broadcast_subscribes_only_whom_its_option_names(tmp_path: Path) -> None:
    text = f"""
routes:
  /inbox:
    broadcast: {{subscribe: {{user: bob}}}}
    auth: {TOKENS}
"""
    with run(tmp_path, text) as daemon:
        path = daemon.url("/inbox")
        with connect(path, additional_headers=bearer(ALICE)) as alice, connect(path, additional_headers=bearer(BOB)) as bob:
            alice.send("for bob")
            assert "for bob" == bob.recv(5)
            alice.ping().wait(5)
            with pytest.raises(TimeoutError):
                alice.recv(0)


def test_no_secret_appears_in_any_record_status_or_output(tmp_path: Path) -> None:
    """Canaries in every place of a credential, good and bad, at debug level."""
    auth = f"{{tokens: {{alice: {ALICE}}}, cookie: session, query: token}}"
    with run(tmp_path, "log: {level: debug}\n" + site(auth), env={"XDG_RUNTIME_DIR": str(tmp_path)}) as daemon:
        for word in (ALICE, "wrong-canary-0123456789"):
            for arguments in (
                {"additional_headers": {"Authorization": f"Bearer {word}"}},
                {"additional_headers": {"Authorization": "Basic " + b64encode(f"canary:{word}".encode()).decode()}},
                {"subprotocols": ["bearer", word]},
                {"additional_headers": {"Cookie": f"session={word}"}},
            ):
                with suppress(InvalidStatus), connect(daemon.url(f"/x?token={word}"), **arguments):
                    pass
                with suppress(InvalidStatus), connect(daemon.url(f"/?token={word}"), **arguments):
                    pass
        daemon.wait_for("handshake.refused")
        done = start_process(["status", "--config", str(tmp_path / "site.yaml"), "--json"], tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)})
        output, errors = done.communicate(timeout=10)
        assert 0 == done.returncode, errors
        shown = start_process(["explain", "/", "--config", str(tmp_path / "site.yaml")], tmp_path, {})
        explained, _ = shown.communicate(timeout=10)
        everything = daemon.transcript() + output.decode() + errors.decode() + explained.decode()
    assert "canary" not in everything
    assert b64encode(b"canary:").decode()[:8] not in everything
