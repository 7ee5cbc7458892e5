import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.access.addresses import AddressPolicy, address_group, client_address, parse_networks

TRUSTED = parse_networks(["10.0.0.0/8", "127.0.0.1", "fd00::/8", "unix"])

# peer, X-Forwarded-For, Forwarded, the client
CASES = {
    "no header": ("10.0.0.1", [], [], "10.0.0.1"),
    "one hop": ("10.0.0.1", ["203.0.113.7"], [], "203.0.113.7"),
    "an untrusted peer is believed nothing": ("203.0.113.9", ["1.2.3.4"], [], "203.0.113.9"),
    "nor by Forwarded": ("203.0.113.9", [], ["for=1.2.3.4"], "203.0.113.9"),
    "what the client made up stands further left": ("10.0.0.1", ["1.2.3.4, 203.0.113.7"], [], "203.0.113.7"),
    "two proxies": ("10.0.0.1", ["203.0.113.7, 10.0.0.2"], [], "203.0.113.7"),
    "two proxies and a lie": ("10.0.0.1", ["127.0.0.1, 203.0.113.7, 10.0.0.2"], [], "203.0.113.7"),
    "an untrusted proxy between": ("10.0.0.1", ["203.0.113.7, 198.51.100.1, 10.0.0.2"], [], "198.51.100.1"),
    "all are trusted": ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], [], "10.0.0.3"),
    "several headers are one list": ("10.0.0.1", ["203.0.113.7", "10.0.0.2"], [], "203.0.113.7"),
    "several headers with a lie": ("10.0.0.1", ["1.2.3.4", "203.0.113.7"], [], "203.0.113.7"),
    "blanks around": ("10.0.0.1", ["  203.0.113.7 ,\t10.0.0.2 "], [], "203.0.113.7"),
    "with a port": ("10.0.0.1", ["203.0.113.7:51234"], [], "203.0.113.7"),
    "with a port that is none": ("10.0.0.1", ["203.0.113.7:http"], [], "10.0.0.1"),
    "with a port too many": ("10.0.0.1", ["203.0.113.7:1:2"], [], "10.0.0.1"),
    "IPv6": ("10.0.0.1", ["2001:db8::7"], [], "2001:db8::7"),
    "IPv6 in its long form": ("10.0.0.1", ["2001:0DB8:0:0:0:0:0:7"], [], "2001:db8::7"),
    "IPv6 in brackets": ("10.0.0.1", ["[2001:db8::7]"], [], "2001:db8::7"),
    "IPv6 with a port": ("10.0.0.1", ["[2001:db8::7]:443"], [], "2001:db8::7"),
    "IPv6 without its bracket": ("10.0.0.1", ["[2001:db8::7"], [], "10.0.0.1"),
    "IPv6 with a zone": ("10.0.0.1", ["fe80::1%eth0"], [], "10.0.0.1"),
    "IPv4 in brackets": ("10.0.0.1", ["[203.0.113.7]"], [], "10.0.0.1"),
    "IPv4 written as IPv6": ("10.0.0.1", ["::ffff:203.0.113.7"], [], "203.0.113.7"),
    "a trusted proxy written as IPv6": ("10.0.0.1", ["203.0.113.7, ::ffff:10.0.0.2"], [], "203.0.113.7"),
    "a trusted peer written as IPv6": ("::ffff:10.0.0.1", ["203.0.113.7"], [], "203.0.113.7"),
    "a trusted IPv6 peer": ("fd00::1", ["203.0.113.7"], [], "203.0.113.7"),
    "an untrusted IPv6 peer": ("2001:DB8::1", ["203.0.113.7"], [], "2001:db8::1"),
    "unknown": ("10.0.0.1", ["unknown"], [], "10.0.0.1"),
    "unknown behind a proxy": ("10.0.0.1", ["203.0.113.7, unknown, 10.0.0.2"], [], "10.0.0.2"),
    "hidden": ("10.0.0.1", ["_secret"], [], "10.0.0.1"),
    "garbage": ("10.0.0.1", ["<script>"], [], "10.0.0.1"),
    "garbage left of the client": ("10.0.0.1", ["<script>, 203.0.113.7"], [], "203.0.113.7"),
    "empty": ("10.0.0.1", [""], [], "10.0.0.1"),
    "an empty end": ("10.0.0.1", ["203.0.113.7,"], [], "10.0.0.1"),
    "octal digits": ("10.0.0.1", ["0203.0.113.7"], [], "10.0.0.1"),
    "a number": ("10.0.0.1", ["3405803783"], [], "10.0.0.1"),
    "digits of another script": ("10.0.0.1", ["\u0661.2.3.4"], [], "10.0.0.1"),
    "nobody's address": ("10.0.0.1", ["::"], [], "10.0.0.1"),
    "a thousand entries": ("10.0.0.1", [", ".join(f"1.1.{n // 256}.{n % 256}" for n in range(1000)) + ", 203.0.113.7"], [], "203.0.113.7"),
    "a thousand trusted entries end after 64": ("10.0.0.1", ["203.0.113.7, " + ", ".join(["10.9.9.9"] * 1000)], [], "10.9.9.9"),
    "very long": ("10.0.0.1", ["1" * 100_000], [], "10.0.0.1"),
    "a Unix peer that is trusted": ("unix", ["203.0.113.7"], [], "203.0.113.7"),
    "a Unix peer without header": ("unix", [], [], "unix"),
    "a Unix peer and the word unix": ("unix", ["203.0.113.7, unix"], [], "unix"),
    "Forwarded": ("10.0.0.1", [], ["for=203.0.113.7"], "203.0.113.7"),
    "Forwarded with everything": ("10.0.0.1", [], ["For=203.0.113.7;proto=https;by=10.0.0.1;host=x"], "203.0.113.7"),
    "Forwarded, for stands last": ("10.0.0.1", [], ["proto=https; FOR=203.0.113.7"], "203.0.113.7"),
    "Forwarded IPv6": ("10.0.0.1", [], ['for="[2001:db8::7]:4711"'], "2001:db8::7"),
    "Forwarded with a hidden port": ("10.0.0.1", [], ['for="203.0.113.7:_x1"'], "203.0.113.7"),
    "Forwarded chain": ("10.0.0.1", [], ['for=1.2.3.4, for="203.0.113.7:80"', "for=10.0.0.2"], "203.0.113.7"),
    "Forwarded unknown": ("10.0.0.1", [], ["for=unknown"], "10.0.0.1"),
    "Forwarded hidden": ("10.0.0.1", [], ['for="_gazonk"'], "10.0.0.1"),
    "Forwarded without for": ("10.0.0.1", [], ["proto=https"], "10.0.0.1"),
    "Forwarded with two": ("10.0.0.1", [], ["for=1.2.3.4;for=203.0.113.7"], "10.0.0.1"),
    "Forwarded with a quote left open": ("10.0.0.1", [], ['for="1.2.3.4', "for=203.0.113.7"], "203.0.113.7"),
    "a comma in a quote": ("10.0.0.1", [], ['for=203.0.113.7;x="a,b"'], "10.0.0.1"),
    "both agree": ("10.0.0.1", ["203.0.113.7"], ["for=203.0.113.7"], "203.0.113.7"),
    "both disagree": ("10.0.0.1", ["203.0.113.7"], ["for=1.2.3.4"], "10.0.0.1"),
}


@pytest.mark.parametrize(("peer", "forwarded_for", "forwarded", "client"), CASES.values(), ids=CASES)
def test_the_client_is_the_first_from_the_right_that_is_not_trusted(peer, forwarded_for, forwarded, client):
    assert client_address(peer, forwarded_for, forwarded, TRUSTED) == client


@pytest.mark.parametrize("peer", ["10.0.0.1", "::1", "unix"])
def test_without_trusted_proxies_nothing_is_believed(peer):
    assert client_address(peer, ["203.0.113.7"], ["for=203.0.113.7"], ()) == peer


def test_a_unix_peer_is_trusted_only_where_the_setting_says_so():
    assert client_address("unix", ["203.0.113.7"], [], parse_networks(["0.0.0.0/0"])) == "unix"


@given(st.lists(st.text(max_size=60), max_size=3), st.lists(st.text(alphabet='for="[]:;,.0123456789_', max_size=60), max_size=3))
def test_whatever_the_headers_say_the_answer_is_an_address(forwarded_for, forwarded):
    assert client_address("10.0.0.1", forwarded_for, forwarded, TRUSTED).replace(":", "").replace(".", "").isalnum()


@given(st.lists(st.text(alphabet="0123456789.:[]_ ,unkow", max_size=30), max_size=5))
def test_nothing_that_a_client_makes_up_hides_the_address_that_the_proxy_saw(made_up):
    assert client_address("10.0.0.1", [*made_up, "203.0.113.7"], [], TRUSTED) == "203.0.113.7"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8 for the network or 10.0.0.1 for the address"),
        ("localhost", "write 127.0.0.1 and ::1"),
        ("*", "write 0.0.0.0/0 and ::/0"),
        ("[::1]", "write ::1"),
        ("10.0.0.1:80", "write 10.0.0.1"),
        ("proxy.example", "networks (10.0.0.0/8, fd00::/8) and unix"),
        ("10.0.0.0/33", "networks (10.0.0.0/8, fd00::/8) and unix"),
        ("", "networks (10.0.0.0/8, fd00::/8) and unix"),
    ],
)
def test_what_is_no_network_is_answered_with_what_to_write(text, cure):
    with pytest.raises(ValueError) as caught:
        parse_networks(["::1", text])
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    ("ip", "group"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::1", "::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_whole_64(ip, group):
    assert address_group(ip) == group


@pytest.mark.parametrize(
    ("allow", "deny", "client", "cure"),
    [
        ([], [], "192.0.2.1", None),
        (["192.0.2.0/24"], [], "192.0.2.1", None),
        (["192.0.2.0/24"], [], "192.0.3.1", "add 192.0.3.1 to addresses.allow"),
        (["192.0.2.0/24"], ["192.0.2.1"], "192.0.2.1", "addresses.deny has 192.0.2.1"),
        ([], ["192.0.2.0/24"], "192.0.3.1", None),
        ([], ["192.0.2.0/24"], "::ffff:192.0.2.1", "addresses.deny has ::ffff:192.0.2.1"),
        (["2001:db8::/32"], [], "2001:db8::1", None),
        (["2001:db8::/32"], [], "192.0.2.1", "add 192.0.2.1 to addresses.allow"),
        (["unix"], [], "unix", None),
        (["unix"], [], "192.0.2.1", "add 192.0.2.1 to addresses.allow"),
        (["0.0.0.0/0"], [], "unix", "add unix to addresses.allow"),
        ([], ["unix"], "unix", "addresses.deny has unix"),
        ([], ["192.0.2.1"], "unix", None),
        ([], ["192.0.2.1"], "gone", "it is no address"),
    ],
)
def test_a_client_is_admitted_by_its_address_where_deny_wins(allow, deny, client, cure):
    assert cure == AddressPolicy(allow, deny).cure(client)
