import time

import pytest

from wsrouter.config.secrets import hide_in_fact, hide_secrets

CANARY = "c4NaRy-7f3a9"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"{{'Authorization': 'Bearer {CANARY}', 'Accept': '*/*'}}",
        f"('authorization', 'Basic {CANARY}')",
        f"cookie: session={CANARY}; theme=dark",
        f"Set-Cookie: {CANARY}",
        f"Sec-WebSocket-Protocol: bearer, {CANARY}",
        f"subprotocols bearer, {CANARY}",
        f"the header was bearer {CANARY}",
        f"cannot connect to redis://user:{CANARY}@host:6379/0",
        f"wss://{CANARY}@host/feed refused",
        f"InvalidURI: wss://host/feed?access={CANARY}",
        f"GET /room/red?{CANARY} HTTP/1.1",
        f"/room?a=1&token={CANARY}#x",
        f"got /room?{CANARY}",
        f"token={CANARY}",
        f'"password": "{CANARY}"',
        f"api_key = '{CANARY}'",
        f"refresh_token: {CANARY}",
        f"ValueError: bad SECRET={CANARY}",
        f"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.{CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}",
        f"one\n  Authorization: {CANARY}\ntwo",
        f"dumped \\x0aAuthorization: {CANARY}",
    ],
)
def test_a_credential_in_a_text_is_hidden(text):
    hidden = hide_secrets(text)
    assert CANARY not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'token'",
        "TypeError: hello() got an unexpected keyword argument 'token'",
        "are you sure? yes",
        "really?!",
        "http://localhost:8080/path#part",
        "basic authentication is not enough",
        "bearer token missing",
        "ws://[::1]:8765/echo",
        "ratio 3:4, a@b",
        'File "/srv/app/plugins/hello.py", line 2, in on_message',
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert text == hide_secrets(text)


def test_what_surrounds_a_secret_still_says_what_happened():
    assert "ConnectionError: redis://***@cache:6379/0 is down" == hide_secrets("ConnectionError: redis://me:pw@cache:6379/0 is down")
    assert "GET /room/red?*** HTTP/1.1" == hide_secrets("GET /room/red?a=b HTTP/1.1")


def test_a_fact_whose_name_is_that_of_a_secret_is_hidden_at_any_depth():
    facts = {"Authorization": "x", "cookie": ["a"], "plain": "p", "token_count": 3, "inner": {"api_key": "k"}, "password": ""}
    assert {"Authorization": "***", "cookie": ["***"], "plain": "p", "token_count": 3, "inner": {"api_key": "***"}, "password": ""} == hide_in_fact(
        "given", facts
    )


@pytest.mark.parametrize(
    "part", ["?", "a?", "/", "//", "://", "://a", "eyJ", "eyJ-", "eyJaaaaaaa.", "token", "token ", "token=", "cookie", "cookie:\n", "bearer ", "Basic a", "a@"]
)
def test_no_text_takes_long(part):
    text = part * (16_384 // len(part))
    began = time.perf_counter()
    hide_secrets(text)
    assert time.perf_counter() - began < 0.5
