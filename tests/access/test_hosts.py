import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.access.hosts import admits_host, parse_host, valid_host


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("example.com", ("example.com", None)),
        ("Example.COM:8765", ("example.com", 8765)),
        ("example.com:", ("example.com", None)),
        ("localhost", ("localhost", None)),
        ("my_service", ("my_service", None)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]", ("[::1]", None)),
        ("[0:0:0:0:0:0:0:1]:8765", ("[::1]", 8765)),
        ("[FE80::A]", ("[fe80::a]", None)),
        ("xn--bcher-kva.example", ("xn--bcher-kva.example", None)),
        ("example.com.", ("example.com.", None)),
    ],
)
def test_a_host_is_a_name_and_perhaps_a_port(text, parsed):
    assert parse_host(text) == parsed
    assert valid_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "", ":80", ".example.com", "-x", "a..b", "a b", " a", "a\n", "a/b", "a@b", "user:pw@a", "a:b", "a:65536", "a:-1", "a:80:80", "::1", "[::1", "[::g]", "[1.2.3.4]",
        "[fe80::1%eth0]", "bücher.example", "a" * 254, "*", "http://a",
    ],
)  # fmt: skip
def test_anything_else_is_no_host(text):
    assert not valid_host(text)
    assert not admits_host(text, [text, "a", "example.com"])


@pytest.mark.parametrize(
    ("header", "allowed", "admitted"),
    [
        ("example.com", ["example.com"], True),
        ("EXAMPLE.com", ["Example.COM"], True),
        ("example.com:8765", ["example.com"], True),
        ("example.com:8765", ["example.com:8765"], True),
        ("example.com:8766", ["example.com:8765"], False),
        ("example.com", ["example.com:8765"], False),
        ("example.com.", ["example.com"], True),
        ("www.example.com", ["example.com"], False),
        ("example.com.evil", ["example.com"], False),
        ("evilexample.com", ["example.com"], False),
        ("b", ["a", "b"], True),
        ("[::1]:8765", ["[0::1]"], True),
        ("[::2]", ["[::1]"], False),
        ("example.com", [], False),
    ],
)
def test_a_host_is_admitted_by_its_exact_name(header, allowed, admitted):
    assert admits_host(header, allowed) is admitted


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_none(text):
    parsed = parse_host(text)
    assert parsed is None or parse_host(parsed[0]) == (parsed[0], None)
