"""Where credentials stand in a request."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.access.credentials import Credentials, CredentialsError, find_bearer, find_cookie, find_credentials, parse_authorization, without_tokens
from wsrouter.wire.head import HeaderView

ANY = st.text(st.characters(max_codepoint=255), max_size=80)


def head(*lines: str) -> HeaderView:
    return HeaderView(("GET / HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer abc.def-_~+/==", Credentials("header", "abc.def-_~+/==")),
        ("bearer   x", Credentials("header", "x")),
        ("BASIC " + b64encode(b"a:b:c").decode(), Credentials("header", user="a", password="b:c")),
        ("Basic " + b64encode("ä:ü".encode()).decode(), Credentials("header", user="ä", password="ü")),
        ("Basic " + b64encode(b"a:").decode(), Credentials("header", user="a", password="")),
    ],
)
def test_an_authorization_is_a_token_or_a_name_and_a_password(text: str, expected: Credentials) -> None:
    assert expected == parse_authorization(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer ä",
        "Bearer " + "x" * 9000,
        "Digest x",
        "Basic !",
        *("Basic " + b64encode(each).decode() for each in (b"a", b":b", b"\xff:b", b"a\0:b")),
    ],
)
def test_anything_else_is_none_and_the_error_does_not_repeat_it(text: str) -> None:
    with pytest.raises(CredentialsError) as error:
        parse_authorization(text)
    assert text.partition(" ")[2][:9] not in str(error.value) or not text.partition(" ")[2]


def test_places_are_looked_at_in_order_and_the_first_decides() -> None:
    lines = ["Authorization: Bearer one", "Sec-WebSocket-Protocol: chat, bearer, two", "Cookie: a=1; s=four"]
    found = []
    for count in range(4):
        query = {"t": "three"} if count < 3 else {}
        credentials = find_credentials(head(*lines[min(count, 2) :]) if count < 3 else head(lines[2]), query, cookie="s", parameter="t")
        assert credentials is not None
        found.append((credentials.place, credentials.token))
    assert [("header", "one"), ("subprotocol", "two"), ("query", "three"), ("cookie", "four")] == found


def test_a_place_that_the_route_does_not_name_is_not_looked_at() -> None:
    assert find_credentials(head("Cookie: s=four"), {"t": "three"}) is None


def test_two_authorizations_are_none() -> None:
    with pytest.raises(CredentialsError):
        find_credentials(head("Authorization: Bearer one", "Authorization: Bearer two"), {})


def test_a_bad_authorization_is_not_helped_by_a_good_cookie() -> None:
    with pytest.raises(CredentialsError):
        find_credentials(head("Authorization: Digest x", "Cookie: s=four"), {}, cookie="s")


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["s=a"], "a"), (["x=s=b; s=a"], "a"), (['s="a"'], "a"), (["ss=b", "s=a; s=c"], "a"), (["S=a"], None), (["s"], None), (["s="], ""), ([], None)],
)
def test_the_first_cookie_of_its_name_counts(values: list[str], expected: str | None) -> None:
    assert expected == find_cookie(values, "s")


def test_credentials_never_show_what_is_secret() -> None:
    assert "canary" not in repr(Credentials("header", "canary", "canary", "canary"))


@given(ANY)
def test_any_authorization_is_read_or_refused(text: str) -> None:
    try:
        found = parse_authorization(text)
    except CredentialsError:
        return
    assert found.token.isascii()
    assert bool(found.token) is (found.password is None)


@given(st.lists(ANY, max_size=6))
def test_any_subprotocols_have_a_token_or_none(names: list[str]) -> None:
    try:
        token = find_bearer(names)
    except CredentialsError:
        assert "bearer" in names
        return
    assert token is None or names[names.index("bearer") + 1] == token


@given(st.lists(ANY, max_size=4), ANY)
def test_any_cookies_are_searched(values: list[str], name: str) -> None:
    found = find_cookie(values, name)
    assert found is None or any(name + "=" in value for value in values)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["chat.v1", "bearer", "canary", "chat.v2"], ["chat.v1", "bearer", "chat.v2"]),
        (["bearer", "canary", "bearer", "canary2"], ["bearer", "bearer"]),
        (["bearer"], ["bearer"]),
        (["chat.v1", "chat.v2"], ["chat.v1", "chat.v2"]),
        ([], []),
    ],
)
def test_what_stands_behind_bearer_is_no_subprotocol(names: list[str], expected: list[str]) -> None:
    assert expected == without_tokens(names)
