"""What keeps the door of a route from being made is a problem at its place, without a secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsrouter.config.problems import Problems
from wsrouter.site import doors
from wsrouter.site.site import load_site

LONG = "canary-0123456789abcdef0123456789"


def problems_of(tmp_path: Path, auth: str, more: str = "") -> list[str]:
    """The problems of a route with this `auth`, each from its line on; none of them shows a secret."""
    (tmp_path / "site.yaml").write_text(f"routes:\n  /{{device}}:\n    echo: {{}}\n    auth: {auth}\n{more}")
    problems = Problems()
    load_site(tmp_path / "site.yaml", {"EMPTY": ""}, problems)
    found = [f"{problem.place.line}:{problem.place.column}: {problem.message}" for problem in problems]
    assert not any("canary" in text for text in found)
    return found


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("{}", "4:11: auth: one of tokens, jwt, basic, forward, plugin is needed: none is given"),
        (f"{{tokens: {{a: {LONG}}}, plugin: x}}", "one of tokens, jwt, basic, forward, plugin is needed: tokens and plugin are given"),
        ("{tokens: {}}", "there is no token"),
        ("{tokens: {a: canary}}", "4:21: the token of 'a' has 6 characters"),
        (f"{{tokens: {{a: '{LONG} x'}}}}", "characters other than printable ASCII"),
        (f"{{tokens: {{a: {LONG}, b: {LONG}}}}}", "two names have the same token"),
        ("{tokens: none.txt}", "4:12: none.txt cannot be read: No such file"),
        ("{jwt: {}}", "jwt: one of key, file, jwks is needed: none is given"),
        ("{jwt: {key: canary-canary-canary-canary-xxx}}", "4:18: the key has 31 bytes: at least 32"),
        (f"{{jwt: {{key: {LONG}, algorithms: [HS512]}}}}", "the key has 33 bytes: HS512 needs 64"),
        (f"{{jwt: {{key: {LONG}, algorithms: [RS256]}}}}", "RS256 is not for a secret"),
        (f"{{jwt: {{key: {LONG}, algorithms: [none]}}}}", "must be"),
        ("{jwt: {file: x.pem, algorithms: [HS256]}}", "anybody could make an HMAC"),
        ("{jwt: {jwks: 'ftp://x'}}", "jwks"),
        ("{basic: none}", "none cannot be read"),
        ("{basic: users, cookie: s}", "cookie is for tokens and jwt"),
        ("{plugin: sessions}", "4:12: there is no plugin file 'sessions'"),
        ("{tokns: x}", "unknown key"),
        ("true", "auth"),
    ],
)
def test_each_mistake_is_told_of_where_it_stands(tmp_path: Path, auth: str, expected: str) -> None:
    assert expected in "\n".join(problems_of(tmp_path, auth))


def test_a_file_with_a_bad_line_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text(f"# ours\na {LONG}\nb\n")
    (tmp_path / "site.yaml").write_text("routes: {/: {echo: {}, auth: {tokens: tokens.txt}}}\n")
    problems = Problems()
    assert load_site(tmp_path / "site.yaml", {}, problems) is None
    assert [(3, "a line is a name and a token with a space between")] == [(problem.place.line, problem.message) for problem in problems]


def test_allow_without_auth_is_a_problem_but_not_on_a_route_that_opens_itself(tmp_path: Path) -> None:
    assert "nobody is known without auth" in "\n".join(problems_of(tmp_path, "none", "  /b:\n    echo: {}\n    allow: {user: x}\n"))
    assert [] == problems_of(tmp_path, "none", f"    allow: {{user: x}}\ndefaults: {{auth: {{tokens: {{a: {LONG}}}}}}}\n")


def test_a_placeholder_that_a_client_may_choose_is_not_admitted_in_allow(tmp_path: Path) -> None:
    tokens = f"{{tokens: {{a: {LONG}}}}}"
    assert [] == problems_of(tmp_path, tokens, '    allow: {user: "{device}"}\n')
    assert "known are {device}" in "\n".join(problems_of(tmp_path, tokens, '    allow: {user: "{query.as}"}\n'))


def test_a_cookie_that_every_page_may_use_is_a_warning(tmp_path: Path) -> None:
    assert "lets every web page use the cookie" in "\n".join(problems_of(tmp_path, f"{{tokens: {{a: {LONG}}}, cookie: s}}", '    origins: "*"\n'))


@pytest.mark.parametrize(
    ("auth", "module", "extra"),
    [
        (f"{{jwt: {{key: {LONG}}}}}", "jwt", "jwt"),
        ("{jwt: {jwks: 'https://a.example/'}}", "aiohttp", "http"),
        ("{forward: 'https://a.example/'}", "aiohttp", "http"),
        ("{basic: users}", "bcrypt", "basic"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str, module: str, extra: str) -> None:
    found = doors.find_spec
    monkeypatch.setattr(doors, "find_spec", lambda name: None if name == module else found(name))
    assert f"needs the package {module}: pip install 'wsrouter[{extra}]'" in "\n".join(problems_of(tmp_path, auth))
