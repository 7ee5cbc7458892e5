from __future__ import annotations

import pytest

from wsrouter import Connection, HandlerError
from wsrouter.testing import MemoryConnection, MemoryContext


def test_it_has_all_that_the_interface_names():
    members = {name for name in dir(Connection) if not name.startswith("_")}

    assert members >= {"id", "send", "claims"}
    assert [name for name in sorted(members) if not hasattr(MemoryConnection(), name)] == []


def test_it_remembers_what_it_was_sent_as_it_goes_over_the_wire():
    connection = MemoryConnection()

    for message in ("a", b"b", bytearray(b"c"), {"d": 1}, [2]):
        connection.send(message)

    assert connection.sent == ["a", b"b", b"c", '{"d":1}', "[2]"]


def test_it_remembers_the_first_close_and_ignores_what_comes_after():
    connection = MemoryContext().connection()
    connection.close(1008, "enough")
    connection.close()
    connection.send("late")
    connection.join("topic")

    assert (connection.closed, connection.sent) == ((1008, "enough"), [])


def test_closing_leaves_all_topics():
    context = MemoryContext()
    connection = context.connection()
    connection.join("a")
    connection.join("b")

    connection.close()

    assert context.topics.names() == []


def test_each_has_an_id_of_its_own_of_16_hexadecimal_digits():
    ids = {MemoryConnection().id for _ in range(3)}

    assert len(ids) == 3
    assert all(len(bytes.fromhex(name)) == 8 for name in ids)


def test_headers_are_found_in_any_case():
    headers = MemoryConnection(headers={"User-Agent": "x"}).headers

    assert (headers["user-agent"], headers.get("USER-AGENT"), headers.get("origin"), len(headers)) == ("x", "x", None, 1)


def test_the_route_is_the_path_unless_it_is_given():
    assert MemoryConnection("/a/b").route == "/a/b"
    assert MemoryConnection("/a/b", route="/a/{x}").route == "/a/{x}"


def test_joining_without_topics_is_told_to_the_author():
    with pytest.raises(HandlerError, match="MemoryContext"):
        MemoryConnection().join("a")
