import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.access.origins import OriginPolicy, parse_origin, parse_origin_rule


@pytest.mark.parametrize(
    ("origin", "host", "admitted"),
    [
        (None, "example.com", True),
        ("https://example.com", "example.com", True),
        ("http://example.com", "example.com", True),
        ("https://example.com", "example.com:443", True),
        ("http://example.com", "example.com:80", True),
        ("https://example.com:443", "example.com", True),
        ("http://example.com", "example.com:443", False),
        ("https://example.com", "example.com:80", False),
        ("http://localhost:8765", "localhost:8765", True),
        ("http://localhost:8765", "localhost", False),
        ("http://localhost", "localhost:8765", False),
        ("http://localhost:8766", "localhost:8765", False),
        ("http://localhost:8765", "127.0.0.1:8765", False),
        ("http://[::1]:8765", "[::1]:8765", True),
        ("http://[0::1]:8765", "[::1]:8765", True),
        ("http://[::1]:8765", "[::2]:8765", False),
        ("HTTPS://Example.COM", "eXample.com", True),
        ("https://example.com", "example.com.", False),
        ("https://example.com.", "example.com", False),
        ("https://example.com.evil", "example.com", False),
        ("https://evil.example.com", "example.com", False),
        ("https://evilexample.com", "example.com", False),
        ("https://example.com@evil", "evil", False),
        ("https://evil@example.com", "example.com", False),
        ("https://evil:1@example.com", "example.com", False),
        ("https://evil#@example.com", "example.com", False),
        ("https://example.com/", "example.com", False),
        ("https://example.com:", "example.com", False),
        ("https://example.com\t", "example.com", False),
        ("https://example.com https://evil", "example.com", False),
        ("//example.com", "example.com", False),
        ("example.com", "example.com", False),
        ("://example.com", "example.com", False),
        ("ftp://example.com", "example.com", False),
        ("chrome-extension://abc", "abc", False),
        ("null", "null", False),
        ("", "example.com", False),
        ("https://example.com", "", False),
        ("https://example.com", "example.com/x", False),
    ],
)
def test_by_default_the_page_must_come_from_the_host_that_is_asked(origin, host, admitted):
    assert OriginPolicy().admits(origin, host) is admitted


@pytest.mark.parametrize(
    ("setting", "origin", "admitted"),
    [
        ("https://ok.example", "https://ok.example", True),
        ("https://ok.example", "https://ok.example:443", True),
        ("https://ok.example:443", "https://ok.example", True),
        ("https://OK.example", "https://ok.EXAMPLE", True),
        ("https://ok.example", "http://ok.example", False),
        ("https://ok.example", "https://ok.example:8443", False),
        ("https://ok.example", "https://ok.example.evil", False),
        ("https://ok.example", "https://ok.example.", False),
        ("https://ok.example", "https://x.ok.example", False),
        ("https://ok.example", "https://host", False),
        ("https://ok.example", "null", False),
        ("https://ok.example", None, True),
        (["https://a.example", "https://b.example"], "https://b.example", True),
        ([], "https://host", False),
        (["same-host", "https://a.example"], "https://host", True),
        ("https://*.example.com", "https://a.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://a.b.example.com", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://*.example.com", "https://a.example.com.evil", False),
        ("https://*.example.com", "http://a.example.com", False),
        ("https://*.example.com", "https://a.example.com:8443", False),
        ("https://*.example.com:8443", "https://a.example.com:8443", True),
        ("https://*.example.com:*", "https://a.example.com:1", True),
        ("http://localhost:*", "http://localhost:5173", True),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "https://localhost:5173", False),
        ("http://localhost:*", "http://localhost.evil:5173", False),
        ("http://[::1]:*", "http://[::1]:5173", True),
        ("chrome-extension://abcdef", "chrome-extension://abcdef", True),
        ("chrome-extension://abcdef", "chrome-extension://abcdeg", False),
        ("capacitor://localhost", "capacitor://localhost:1", False),
        ("null", "null", True),
        ("null", "https://host", False),
        (["file://"], "file://", True),
        ("*", "https://evil.example", True),
        ("*", "null", True),
        ("*", "complete garbage", True),
    ],
)
def test_the_setting_admits_what_it_names_and_nothing_else(setting, origin, admitted):
    assert OriginPolicy(setting).admits(origin, "host") is admitted


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("null", True),
        ("file://", True),
        ("http://localhost:5173", True),
        ("https://localhost", True),
        ("http://app.localhost:3000", True),
        ("http://127.0.0.1:5500", True),
        ("http://127.3.2.1", True),
        ("http://[::1]:5500", True),
        ("http://localhost.evil:5173", False),
        ("http://127.0.0.1.evil", False),
        ("http://evillocalhost", False),
        ("http://192.168.0.1", False),
        ("https://evil.example", False),
        ("ftp://localhost", False),
    ],
)
def test_dev_also_admits_files_and_this_machine(origin, admitted):
    assert OriginPolicy(dev=True).admits(origin, "host:8765") is admitted
    assert not OriginPolicy().admits(origin, "host:8765")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("example.com", "write https://example.com, or"),
        ("localhost:*", "write https://localhost:*, or"),
        ("example.com/", "write https://example.com, or"),
        ("https://example.com/", "write https://example.com, or"),
        ("https://example.com/chat?x", "write https://example.com, or"),
        ("https://user@example.com", "names no user"),
        ("https://a.*.example.com", "first label"),
        ("https://*", "first label"),
        ("https://*.*.com", "first label"),
        ("*://example.com", '"http://localhost:*"'),
        ("https://exa mple.com", '"http://localhost:*"'),
        ("https://example.com:99999", '"http://localhost:*"'),
        ("https://*.[::1]", '"http://localhost:*"'),
        ("", "same-host"),
        ("same host", "same-host"),
        ("x" * 500, "same-host"),
    ],
)
def test_what_is_no_rule_is_answered_with_what_is(text, cure):
    with pytest.raises(ValueError, match="is no origin") as caught:
        parse_origin_rule(text)
    assert cure in str(caught.value)
    assert len(str(caught.value)) < 400
    with pytest.raises(ValueError):
        OriginPolicy(["https://fine.example", text])


@pytest.mark.parametrize(
    ("setting", "origin", "line"),
    [
        ("same-host", "null", 'origins: [same-host, "null"]'),
        ("same-host", "https://evil.example", "origins: [same-host, https://evil.example]"),
        ("same-host", "HTTPS://Evil.example:443", "origins: [same-host, https://evil.example]"),
        ("same-host", "http://[::1]:8765", 'origins: [same-host, "http://[::1]:8765"]'),
        (["https://a.example", "http://localhost:*"], "https://b.example", 'origins: [https://a.example, "http://localhost:*", https://b.example]'),
        ("https://a.example", "null", 'origins: [https://a.example, "null"]'),
        ("same-host", "garbage", ""),
        ("same-host", "https://x], plugins: [/tmp", ""),
        ("same-host", "", ""),
    ],
)
def test_the_cure_is_the_line_of_yaml_that_admits_the_origin(setting, origin, line):
    policy = OriginPolicy(setting)
    assert policy.cure(origin) == line
    if line:
        assert not policy.admits(origin, "host")
        assert OriginPolicy(yaml.safe_load(line)["origins"]).admits(origin, "host")


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_client_says_is_decided(origin, host):
    for policy in (OriginPolicy(), OriginPolicy(["https://*.example.com", "http://localhost:*"]), OriginPolicy(dev=True)):
        policy.admits(origin, host)
        policy.cure(origin)


@given(st.from_regex(r"https?://[a-z0-9.:\[\]-]{1,20}", fullmatch=True))
def test_an_origin_is_written_as_it_is_read(text):
    origin = parse_origin(text)
    assert origin is None or parse_origin(str(origin)) == origin
