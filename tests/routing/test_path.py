from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.routing.path import PathError, parse_path, parse_query, split_target


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ("/", ("",)),
        ("/echo", ("echo",)),
        ("/echo/", ("echo", "")),
        ("/a/b%20c", ("a", "b c")),
        ("/caf%C3%A9/caf%c3%a9", ("café", "café")),
        ("/%2525", ("%25",)),
        ("/..%2e/./..", ("...", ".", "..")),
        ("/%5C", ("\\",)),
        ("/a;b=c,d:@!$&'()*+", ("a;b=c,d:@!$&'()*+",)),
        ("/%F0%9F%98%80", ("😀",)),
    ],
)
def test_a_path_is_decoded_once_segment_by_segment(raw, segments):
    assert parse_path(raw) == segments


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "begin with /"),
        ("echo", "begin with /"),
        ("*", "begin with /"),
        ("http://host/echo", "begin with /"),
        ("/a#b", "fragment"),
        ("/a\\b", "backslash"),
        ("//host/echo", "empty segment"),
        ("/a//", "empty segment"),
        ("/a b", "printable ASCII"),
        ("/a\x1b[31mred", "printable ASCII"),
        ("/a\rX-Evil:1", "printable ASCII"),
        ("/a\n", "printable ASCII"),
        ("/\x00", "printable ASCII"),
        ("/é", "printable ASCII"),
        ("/\udcff", "printable ASCII"),
        ("/%", "hexadecimal"),
        ("/%4", "hexadecimal"),
        ("/%zz", "hexadecimal"),
        ("/%+1", "hexadecimal"),
        ("/%ff", "UTF-8"),
        ("/%c0%80", "UTF-8"),
        ("/%ed%a0%80", "UTF-8"),
        ("/%c3/%a9", "UTF-8"),
        ("/a%2fb", "encoded slash"),
        ("/%2e%2e%2F%2e%2e%2Fetc", "encoded slash"),
        ("/%00", "control"),
        ("/%0d%0a", "control"),
        ("/%1B", "control"),
        ("/%7f", "control"),
        ("/%C2%85", "control"),
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_refused(raw, why):
    with pytest.raises(PathError, match=why):
        parse_path(raw)


@pytest.mark.parametrize("byte", range(256))
def test_no_byte_in_a_path_raises_anything_but_path_error(byte):
    for raw in (f"/a{chr(byte)}b", f"/{chr(byte)}", f"/%{byte:02x}", f"/a/%{byte:02X}b", f"/%{chr(byte)}0", chr(byte)):
        try:
            parsed = parse_path(raw)
        except PathError:
            continue
        assert all(ord(character) > 0x1F for segment in parsed for character in segment)


@given(st.binary(max_size=60))
def test_random_bytes_as_a_path_raise_nothing_but_path_error(data):
    for raw in ("/" + data.decode("latin-1"), "/" + data.decode("utf-8", "surrogateescape"), "/" + "".join(f"%{byte:02x}" for byte in data)):
        message = ""
        try:
            parse_path(raw)
        except PathError as error:
            message = str(error)
        assert len(message) < 100, "client-supplied text must not be in the message"


@given(st.lists(st.text(alphabet=st.characters(min_codepoint=0x20, exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1), min_size=1))
def test_what_a_client_encodes_comes_back_as_it_was(segments):
    assert parse_path("/" + "/".join(quote(segment, safe="") for segment in segments)) == tuple(segments)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [("/a", ("/a", "")), ("/a?", ("/a", "")), ("/a?b=c", ("/a", "b=c")), ("/a?b?c", ("/a", "b?c")), ("/a%3Fb", ("/a%3Fb", "")), ("?x", ("", "x"))],
)
def test_the_query_begins_after_the_first_question_mark(raw, parts):
    assert split_target(raw) == parts


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1"}),
        ("a=&b", {"a": "", "b": ""}),
        ("q=a+b%20c%26d", {"q": "a b c&d"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("a=%zz&&&=x", {"a": "%zz", "": "x"}),
        ("a;b=1", {"a;b": "1"}),
    ],
)
def test_a_query_is_read_leniently(query, values):
    assert parse_query(query) == values


def test_only_the_first_hundred_fields_of_a_query_count():
    values = parse_query("&".join(f"f{number}={number}" for number in range(5000)))
    assert list(values) == [f"f{number}" for number in range(100)]


@given(st.text(max_size=80))
def test_no_query_makes_trouble(query):
    assert all(isinstance(value, str) for value in parse_query(query).values())
