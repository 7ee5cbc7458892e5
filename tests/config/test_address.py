from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.config.address import Address, parse_address


@pytest.mark.parametrize(
    "text, hosts, port",
    [
        ("127.0.0.1:8765", ("127.0.0.1",), 8765),
        ("8765", ("127.0.0.1",), 8765),
        (":8765", ("0.0.0.0", "::"), 8765),
        ("*:8765", ("0.0.0.0", "::"), 8765),
        ("[::1]:8765", ("::1",), 8765),
        ("[::]:0", ("::",), 0),
        ("localhost:8765", ("127.0.0.1", "::1"), 8765),
        ("example.com:443", ("example.com",), 443),
    ],
)
def test_each_form_names_what_to_bind(text, hosts, port):
    assert parse_address(text) == Address("tcp", hosts, port)


def test_a_unix_socket_is_a_path():
    assert parse_address("unix:/run/ws.sock") == Address("unix", path="/run/ws.sock")


@pytest.mark.parametrize("text", ["127.0.0.1:8765", ":8765", "[::1]:8765", "localhost:80", "example.com:443", "unix:/run/ws.sock"])
def test_an_address_is_written_as_it_was_read(text):
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text, cure",
    [
        ("localhost", "write localhost:8765"),
        ("", "write localhost:8765"),
        ("-1", "write localhost:8765"),
        ("[::1", "is no host name"),
        ("::1:8765", "write an IPv6 address in brackets, [::1]:8765"),
        ("[::1]", "write [::1]:8765"),
        ("[::g]:80", "write one as [::1]"),
        ("1.2.3:80", "write four numbers"),
        ("1.2.3.256:80", "write four numbers"),
        ("1.2.3.04:80", "write four numbers"),
        ("a:b", "write a number from 0 to 65535"),
        ("a:65536", "write a number from 0 to 65535"),
        ("a:", "write a number from 0 to 65535"),
        ("a b:80", "is no host name"),
        ("ws://a:80", "write host:port"),
        ("/run/ws.sock", "write unix:/run/ws.sock"),
        ("unix:ws.sock", "write unix:/run"),
        ("unix:/", "names no file"),
        ("unix:/" + "x" * 107, "use a shorter one"),
        ("99999", "write a number from 0 to 65535"),
    ],
)
def test_what_is_no_address_is_answered_with_what_to_write(text, cure):
    with pytest.raises(ValueError) as caught:
        parse_address(text)

    assert cure in str(caught.value)


@given(st.text("0189.:[]*a-f/%unix \0é٣", max_size=20))
def test_any_text_is_an_address_or_a_value_error(text):
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert address.path or (address.hosts and 0 <= address.port <= 65535)
