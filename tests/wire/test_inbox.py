from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConcurrencyError, TooManyFragments

from wsrouter.wire.inbox import HIGH, LOW, MAX_FRAGMENTS, Inbox

pytestmark = pytest.mark.anyio


class Reading:
    """Notes how reading was paused and resumed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.inbox = Inbox(lambda: self.calls.append("pause"), lambda: self.calls.append("resume"))


def put_fragments(inbox: Inbox, *parts: bytes, text: bool = True, final: bool = True) -> None:
    for index, part in enumerate(parts):
        inbox.put_fragment(part, text=text, first=index == 0, final=final and index == len(parts) - 1)


async def test_what_waits_comes_in_its_order():
    inbox = Reading().inbox
    inbox.put("one")
    put_fragments(inbox, b"t", b"wo")
    inbox.put(b"three")
    assert ["one", "two", b"three"] == [await inbox.get(None) for _ in range(3)]


async def test_who_waits_gets_the_next_message_as_it_comes():
    inbox = Reading().inbox
    getting = asyncio.create_task(inbox.get(None))
    await asyncio.sleep(0)
    inbox.put("now")
    assert "now" == await getting


async def test_reading_pauses_above_sixteen_and_goes_on_at_four():
    reading = Reading()
    for number in range(HIGH):
        reading.inbox.put(str(number))
    assert [] == reading.calls
    reading.inbox.put("one too many")
    reading.inbox.put("and another")
    assert ["pause"] == reading.calls
    for _ in range(HIGH + 2 - LOW - 1):
        await reading.inbox.get(None)
    assert ["pause"] == reading.calls
    await reading.inbox.get(None)
    assert ["pause", "resume"] == reading.calls


async def test_fragments_count_like_messages():
    reading = Reading()
    put_fragments(reading.inbox, *[b"x"] * (HIGH + 1))
    assert ["pause"] == reading.calls
    assert "x" * (HIGH + 1) == await reading.inbox.get(None)
    assert ["pause", "resume"] == reading.calls


async def test_what_waits_can_be_had_after_the_end_and_then_comes_the_end():
    inbox = Reading().inbox
    inbox.put("last")
    inbox.close()
    assert "last" == await inbox.get(None)
    for _ in range(2):
        with pytest.raises(EOFError):
            await inbox.get(None)
        with pytest.raises(EOFError):
            await anext(inbox.stream(None))


async def test_the_end_wakes_who_waits():
    inbox = Reading().inbox
    getting = asyncio.create_task(inbox.get(None))
    await asyncio.sleep(0)
    inbox.close()
    with pytest.raises(EOFError):
        await getting


async def test_half_a_message_at_the_end_is_none():
    inbox = Reading().inbox
    put_fragments(inbox, b"ha", final=False)
    inbox.close()
    with pytest.raises(EOFError):
        await inbox.get(None)


async def test_what_a_cancelled_reader_had_taken_is_put_back_before_the_rest():
    inbox = Reading().inbox
    put_fragments(inbox, b"a", b"b", final=False)
    getting = asyncio.create_task(inbox.get(None))
    await asyncio.sleep(0)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    put_fragments(inbox, b"c")
    assert ["a", "b", "c"] == [part async for part in inbox.stream(None)]


async def test_only_one_reads_at_a_time():
    inbox = Reading().inbox
    getting = asyncio.create_task(inbox.get(None))
    await asyncio.sleep(0)
    with pytest.raises(ConcurrencyError, match="cannot call recv while"):
        await inbox.get(None)
    with pytest.raises(ConcurrencyError, match="cannot call recv_streaming while"):
        await anext(inbox.stream(None))
    inbox.put("for the first")
    assert "for the first" == await getting


async def test_more_fragments_than_the_library_takes_are_refused_however_few_bytes_they_have():
    inbox = Reading().inbox
    put_fragments(inbox, *[b""] * MAX_FRAGMENTS)
    assert "" == await inbox.get(None)
    put_fragments(inbox, *[b""] * MAX_FRAGMENTS, final=False)
    with pytest.raises(TooManyFragments):
        await inbox.get(None)


async def test_fragments_that_are_no_text_together_raise_where_the_message_is_read():
    inbox = Reading().inbox
    put_fragments(inbox, b"\xc3", b"(")
    with pytest.raises(UnicodeDecodeError):
        await inbox.get(None)
    put_fragments(inbox, b"\xc3", b"(")
    assert b"\xc3(" == await inbox.get(False)
