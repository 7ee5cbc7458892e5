"""Which users are allowed."""

from __future__ import annotations

from typing import Any

import pytest

from wsrouter import Allow, Template

CLAIMS = {"roles": ["staff", "ops"], "tenant": "acme", "level": 3, "beta": True, "groups": ["x", 7], "realm": {"site": "north"}, "a.b": "dotted"}


@pytest.mark.parametrize(
    ("allow", "allowed"),
    [
        ({}, True),
        ({"user": "alice"}, True),
        ({"user": "bob"}, False),
        ({"user": ["bob", "alice"]}, True),
        ({"user": "{device}"}, True),
        ({"user": "{other}"}, False),
        ({"user": "{missing}"}, False),
        ({"user": "{device}-x"}, False),
        ({"roles": ["ops"]}, True),
        ({"roles": ["root"]}, False),
        ({"roles": ["root", "staff"]}, True),
        ({"claims": {"tenant": "acme"}}, True),
        ({"claims": {"tenant": "acm"}}, False),
        ({"claims": {"tenant": ["x", "acme"]}}, True),
        ({"claims": {"tenant": "{company}"}}, True),
        ({"claims": {"level": 3}}, True),
        ({"claims": {"level": "3"}}, False),
        ({"claims": {"level": "{number}"}}, True),
        ({"claims": {"beta": True}}, True),
        ({"claims": {"beta": 1}}, False),
        ({"claims": {"groups": "x"}}, True),
        ({"claims": {"groups": 7}}, True),
        ({"claims": {"realm.site": "north"}}, True),
        ({"claims": {"a.b": "dotted"}}, True),
        ({"claims": {"none": None}}, False),
        ({"claims": {"none": "{missing}"}}, False),
        ({"user": "alice", "roles": ["root"]}, False),
        ({"user": "alice", "roles": ["ops"], "claims": {"tenant": "acme"}}, True),
    ],
)
def test_all_that_is_named_must_hold_and_of_a_list_one(allow: dict[str, Any], allowed: bool) -> None:
    user = allow.pop("user", None)
    templates = [Template(each) for each in user] if isinstance(user, list) else None if user is None else Template(user)
    assert allowed is Allow(user=templates, **allow).admits("alice", CLAIMS, {"device": "alice", "other": "bob", "company": "acme", "number": 3})


def test_roles_may_be_one_text_as_oauth_writes_scopes() -> None:
    assert Allow(roles=["b"]).admits("alice", {"roles": "a b"}, {})
    assert not Allow(roles=["b"]).admits("alice", {"roles": {"b": 1}}, {})


def test_nobody_who_is_not_known_is_allowed_anything() -> None:
    assert not Allow().admits(None, {}, {})
