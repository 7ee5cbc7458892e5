from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsrouter.routing.explain import find_mismatch
from wsrouter.routing.path import PathError, parse_path
from wsrouter.routing.pattern import Kind, find_ties, parse_pattern
from wsrouter.routing.router import Router


def make_router(*texts):
    return Router([(parse_pattern(text), text) for text in texts])


def match(router, path):
    found = router.match(path)
    return None if found is None else (found.value, found.params)


SITE = ("/{rest:path}", "/{a}", "/{n:int}", "/a", "/a/{x}", "/a/{x:int}", "/a/{x}/c", "/a/b/{rest:path}", "/a/b/c/d", "/")


@pytest.mark.parametrize("order", [SITE, SITE[::-1]], ids=["as listed", "reversed"])
@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/", "/", {}),
        ("/a", "/a", {}),
        ("/%61", "/a", {}),
        ("/zz", "/{a}", {"a": "zz"}),
        ("/42", "/{n:int}", {"n": 42}),
        ("/007", "/{n:int}", {"n": 7}),
        ("/-1", "/{a}", {"a": "-1"}),
        ("/%EF%BC%94", "/{a}", {"a": "\uff14"}),
        ("/" + "9" * 18, "/{n:int}", {"n": 10**18 - 1}),
        ("/" + "9" * 19, "/{a}", {"a": "9" * 19}),
        ("/a/1", "/a/{x:int}", {"x": 1}),
        ("/a/b", "/a/{x}", {"x": "b"}),
        ("/a/1/c", "/a/{x}/c", {"x": "1"}),
        ("/a/b/c", "/a/b/{rest:path}", {"rest": "c"}),
        ("/a/b/c/d", "/a/b/c/d", {}),
        ("/a/b/c/d/", "/a/b/{rest:path}", {"rest": "c/d/"}),
        ("/a/b/c/e", "/a/b/{rest:path}", {"rest": "c/e"}),
        ("/a/1/d", "/{rest:path}", {"rest": "a/1/d"}),
        ("/a/", "/{rest:path}", {"rest": "a/"}),
        ("/zz/", "/{rest:path}", {"rest": "zz/"}),
        ("/x/y%20z", "/{rest:path}", {"rest": "x/y z"}),
    ],
)
def test_literal_beats_typed_beats_untyped_beats_catch_all_in_any_order(order, path, route, params):
    assert match(make_router(*order), path) == (route, params)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/echo", "/echo/"),
        ("/echo", "/Echo"),
        ("/echo", "/"),
        ("/rooms/{room}", "/rooms/"),
        ("/rooms/{room}", "/rooms"),
        ("/rooms/{room}", "/rooms/a/b"),
        ("/{rest:path}", "/"),
        ("/f/{rest:path}", "/f"),
        ("/f/{rest:path}", "/f/"),
        ("/i/{id:int}", "/i/1.5"),
        ("/i/{id:int}", "/i/1_0"),
        ("/i/{id:int}", "/i/%C2%B2"),
    ],
)
def test_these_do_not_match(pattern, path):
    assert make_router(pattern).match(path) is None


def test_a_parameter_is_at_most_256_characters():
    router = make_router("/r/{room}", "/f/{rest:path}")
    assert match(router, "/r/" + "%C3%A9" * 256) == ("/r/{room}", {"room": "é" * 256})
    assert router.match("/r/" + "a" * 257) is None
    assert match(router, "/f/" + "a/" * 128) == ("/f/{rest:path}", {"rest": "a/" * 128})
    assert router.match("/f/" + "a/" * 128 + "a") is None


def test_the_path_of_a_match_is_decoded():
    router = make_router("/r/{room}", "/café")
    assert router.match("/r/a%20b").path == "/r/a b"
    assert router.match("/%63af%C3%A9").path == "/café"


def test_each_match_has_parameters_of_its_own():
    router = make_router("/echo")
    router.match("/echo").params["left"] = "behind"
    assert router.match("/echo").params == {}


@pytest.mark.parametrize("literal", ["/a%zz", "/a b", "/café", "/..", "/~a", "/%"])
def test_a_literal_is_found_by_its_encoded_path(literal):
    router = make_router(literal)
    assert router.match(quote(literal)).value == literal
    assert router.match(quote(literal)).path == literal


def test_a_literal_that_is_no_valid_path_does_not_admit_one():
    with pytest.raises(PathError):
        make_router("/a%zz").match("/a%zz")
    with pytest.raises(PathError):
        make_router("/a b").match("/a b")


def test_routes_that_tie_are_not_compiled():
    with pytest.raises(ValueError, match=r"/a/\{y\} matches the same paths as /a/\{x\}"):
        make_router("/a/{x}", "/a/{y}")


def test_a_router_without_routes_matches_nothing():
    router = make_router()
    assert router.match("/") is None
    assert router.nearest("/") is None
    assert router.explain("/") == []


def test_a_long_path_ends_quickly_and_without_depth():
    assert make_router("/{a}/{b}", "/a/{b}/{c:int}").match("/a" * 4000) is None


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/echo/", "/echo"),
        ("/ehco", "/echo"),
        ("/Echo", "/echo"),
        ("/ECHO/", "/echo"),
        ("/ech", "/echo"),
        ("/echoo", "/echo"),
        ("/room", "/room/{room}"),
        ("/room/", "/room/{room}"),
        ("/rooms/lobby", "/room/{room}"),
        ("/room/lobby/", "/room/{room}"),
        ("/room/lobby/today", "/room/{room}"),
        ("/itme/7", "/item/{id:int}"),
        ("/item/seven", "/item/{id:int}"),
        ("/api/v1/chat", "/api/v1/chats"),
        ("/wp-login.php", None),
        ("/", None),
        ("/x", None),
        ("/%zz", None),
        ("no path", None),
        ("/echo" + "o" * 300, None),
    ],
)
def test_the_nearest_route_is_named(path, nearest):
    assert make_router("/room/{room}", "/echo", "/item/{id:int}", "/api/v1/chats", "/api/v1/users").nearest(path) == nearest


def test_explain_says_for_each_pattern_why_it_does_not_serve_the_path():
    verdicts = make_router("/a/{x}", "/a/7", "/a/{n:int}", "/a", "/a/b", "/{n:int}/x", "/{rest:path}", "/a/{x}/b").explain("/a/7")
    assert [str(verdict.pattern) for verdict in verdicts if verdict.won] == ["/a/7"]
    assert {str(verdict.pattern): verdict.why for verdict in verdicts} == {
        "/a/{x}": "matches, but /a/7 wins: in segment 2 a literal (7) beats an untyped parameter ({x})",
        "/a/7": "",
        "/a/{n:int}": "matches, but /a/7 wins: in segment 2 a literal (7) beats a typed parameter ({n:int})",
        "/a": "the path goes on after /a: '/7'",
        "/a/b": "segment 2 is '7', not 'b'",
        "/{n:int}/x": "segment 1 is 'a'; {n:int} takes 1 to 18 digits",
        "/{rest:path}": "matches, but /a/7 wins: in segment 1 a literal (a) beats a catch-all ({rest:path})",
        "/a/{x}/b": "the path ends before b",
    }


def test_explain_tells_of_empty_and_overlong_parameters():
    router = make_router("/r/{room}", "/f/{rest:path}")
    assert router.explain("/r/")[0].why == "segment 2 is empty; {room} needs at least one character"
    assert router.explain("/f/" + "a/" * 150)[1].why == "{rest:path} would stand for 300 characters; at most 256"


# Few letters, so that patterns and paths meet often.
LITERALS = st.sampled_from(["a", "b", "1", "22", "é ö", ".."])
SEGMENTS = st.one_of(LITERALS, st.just("{:}"), st.just("{:int}"))


@st.composite
def pattern_texts(draw):
    parts = draw(st.lists(SEGMENTS, min_size=1, max_size=4))
    if draw(st.booleans()):
        parts.append("{:path}")
    named = [part.replace("{:}", f"{{p{at}}}").replace("{:", f"{{p{at}:") if part.startswith("{") else part for at, part in enumerate(parts)]
    return "/" + "/".join(named)


def untied(texts):
    patterns = [parse_pattern(text) for text in texts]
    later = {later for _, later in find_ties(patterns)}
    return [pattern for index, pattern in enumerate(patterns) if index not in later]


def slow_match(patterns, path):
    """The reference: try every pattern by itself, and of those that match take the one with the best kinds from left to right."""
    segments = parse_path(path)
    matching = [pattern for pattern in patterns if find_mismatch(pattern, segments) is None]
    return min(matching, key=lambda pattern: [segment.kind for segment in pattern.segments], default=None)


PATHS = st.lists(st.one_of(LITERALS, st.sampled_from(["c", "9", "a" * 257, "%"])), min_size=1, max_size=6)


@given(st.lists(pattern_texts(), min_size=1, max_size=12), PATHS, st.booleans())
@example(["/a/{p1}/b", "/{p0}/{p1:int}/c"], ["a", "1", "c"], False)
def test_the_compiled_router_agrees_with_trying_every_pattern(texts, parts, slash):
    patterns = untied(texts)
    router = Router([(pattern, pattern) for pattern in patterns])
    path = "/" + "/".join(quote(part, safe="") for part in parts) + ("/" if slash else "")
    expected = slow_match(patterns, path)
    found = router.match(path)
    assert (found.value if found else None) == expected == router.find_pattern(path)
    assert [verdict.pattern for verdict in router.explain(path) if verdict.won] == ([expected] if expected else [])
    assert router.nearest(path) is None or router.nearest(path) in {pattern.text for pattern in patterns}


VALUES = {
    Kind.TEXT: st.text(alphabet=st.characters(min_codepoint=0x20, exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=256),
    Kind.INT: st.integers(0, 10**18 - 1),
}
VALUES[Kind.REST] = st.lists(VALUES[Kind.TEXT].map(lambda text: text[:50]), min_size=1, max_size=5).map("/".join)


@given(st.lists(pattern_texts(), min_size=1, max_size=8), st.data())
def test_a_path_built_from_a_patterns_parameters_matches_it_or_one_that_beats_it(texts, data):
    patterns = untied(texts)
    pattern = data.draw(st.sampled_from(patterns))
    values = {segment.text: data.draw(VALUES[segment.kind]) for segment in pattern.segments if segment.kind is not Kind.LITERAL}
    parts = [str(values[segment.text]) if segment.kind is not Kind.LITERAL else segment.text for segment in pattern.segments]
    path = "/" + "/".join(quote(part, safe="/") for part in parts)
    found = Router([(each, each) for each in patterns]).match(path)
    assert found is not None
    if found.value == pattern:
        assert found.params == values
    else:
        assert [s.kind for s in found.value.segments] < [s.kind for s in pattern.segments]


@given(st.binary(max_size=40))
def test_whatever_bytes_are_asked_for_only_path_error_is_raised(data):
    router = make_router("/{rest:path}", "/a/{x:int}", "/echo")
    raw = "/" + data.decode("latin-1")
    router.nearest(raw)
    try:
        router.match(raw)
    except PathError:
        return
    assert router.explain(raw)
