import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.routing.pattern import Kind, PatternError, find_ties, parse_pattern


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("/", ()),
        ("/echo", ()),
        ("/rooms/{room}", ("room",)),
        ("/items/{id:int}/parts/{part}", ("id", "part")),
        ("/files/{rest:path}", ("rest",)),
        ("/{rest:path}", ("rest",)),
        ("/café/crème brûlée", ()),
        ("/a/../b", ()),
        ("/100%", ()),
    ],
)
def test_a_good_pattern_knows_its_parameters_and_is_written_as_it_was(text, params):
    pattern = parse_pattern(text)
    assert pattern.params == params
    assert str(pattern) == text == "/" + "/".join(map(str, pattern.segments))


def test_the_kinds_of_segments_are_told_apart():
    kinds = [segment.kind for segment in parse_pattern("/a/{b}/{c:int}/{d:path}").segments]
    assert kinds == [Kind.LITERAL, Kind.TEXT, Kind.INT, Kind.REST]


@pytest.mark.parametrize(
    ("text", "offset", "cure"),
    [
        ("", 0, "write / for the root"),
        ("echo", 0, "write /echo"),
        ("/echo/", 5, "write /echo"),
        ("//", 0, "write / instead of //"),
        ("/a//b", 2, "write / instead of //"),
        ("/a-{x}", 3, "write /{name} instead of /a-{x}"),
        ("/v1/{x}.json", 4, "write /{name} instead of /{x}.json"),
        ("/{a}{b}", 1, "a parameter fills a whole segment"),
        ("/{a", 1, "a parameter fills a whole segment"),
        ("/a}", 2, "a parameter fills a whole segment"),
        ("/{{a}}", 1, "a parameter fills a whole segment"),
        ("/x/{}", 4, "write {name}"),
        ("/x/{room-id}", 4, "write {room_id}"),
        ("/x/{1st:int}", 4, "write {_1st:int}"),
        ("/x/{é}", 4, "write {_}"),
        ("/x/{id:uuid}", 7, "write {id}, {id:int} or {id:path}"),
        ("/x/{id:}", 7, "write {id}, {id:int} or {id:path}"),
        ("/{a}/{a}", 6, "give each its own name"),
        ("/{a}/{a:path}", 6, "give each its own name"),
        ("/{rest:path}/end", 1, "write {rest} for one segment"),
        ("/a?b=c", 2, "end it before the ?"),
        ("/a#b", 2, "end it before the #"),
        ("/a%20b", 2, "write the character instead of %20"),
        ("/a\\b", 2, "write /"),
        ("/a\x1bb", 2, "U+001B"),
        ("/a/b\x85", 4, "U+0085"),
        ("/a\ud800", 2, "U+D800"),
        ("/" + "a" * 1024, 1024, "at most 1024"),
        ("/a" * 65, 0, "at most 64"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_place_and_cure(text, offset, cure):
    with pytest.raises(PatternError) as caught:
        parse_pattern(text)
    assert caught.value.offset == offset
    assert cure in caught.value.message
    assert "\n" not in str(caught.value)


@given(st.text(alphabet=st.sampled_from("/{}:abint path?#%\\é\x00"), max_size=30))
def test_any_text_is_a_pattern_that_is_written_as_it_was_or_a_pattern_error_within_it(text):
    pattern, offset = None, 0
    try:
        pattern = parse_pattern(text)
    except PatternError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
    assert pattern is None or "/" + "/".join(map(str, pattern.segments)) == text
    assert pattern is None or len(set(pattern.params)) == len(pattern.params)


@pytest.mark.parametrize(
    ("first", "second", "tie"),
    [
        ("/a/{x}", "/a/{y}", True),
        ("/a/{x:int}", "/a/{y:int}", True),
        ("/{x:path}", "/{y:path}", True),
        ("/a", "/a", True),
        ("/a/{x}/c", "/a/{y}/c", True),
        ("/a/{x}/c", "/a/{y}/d", False),
        ("/{a}/b", "/a/{b}", False),
        ("/a/{x:int}", "/a/{x}", False),
        ("/a/{x}", "/a/{x:path}", False),
        ("/a", "/A", False),
    ],
)
def test_two_patterns_tie_only_if_no_segment_decides(first, second, tie):
    assert find_ties([parse_pattern(first), parse_pattern(second)]) == ([(0, 1)] if tie else [])


def test_each_later_pattern_ties_with_the_first_of_its_kind():
    patterns = [parse_pattern(text) for text in ["/a/{x}", "/b", "/a/{y}", "/a/{z}"]]
    assert find_ties(patterns) == [(0, 2), (0, 3)]
