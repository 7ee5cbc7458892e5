"""An outbox that drops messages where it is full (`outbox.on_full`), and the boundaries of messages, which only such an outbox needs.

Batches come joined, and whoever keeps up is written the same bytes as all others. A client that is behind has them cut into
frames here; that is done once a batch, for however many clients.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Literal

from msgspec import DecodeError
from msgspec.json import decode

from wsrouter.access.bounds import MOST_SHEDDING
from wsrouter.config.settings import Latest
from wsrouter.wire.outbox import Outbox

OnFull = Literal["close", "drop_oldest", "drop_newest"] | Latest
Dropped = tuple[int, int]
"""How many messages, and their bytes."""

_COMPRESSED: Final = 0x40
_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692, section 7.2.2


def make_outbox(on_full: OnFull, now: float) -> Outbox:
    """The outbox that a policy needs."""
    return Outbox(now) if on_full == "close" else SheddingOutbox(now)


def change_outbox(outbox: Outbox, on_full: OnFull) -> Outbox:
    """The outbox that another policy needs, with everything that waits; what waited before is kept, whatever the new one drops."""
    fresh = make_outbox(on_full, outbox.progress_at)
    if type(fresh) is type(outbox):
        return outbox
    held = outbox.held
    fresh.since, fresh.waiters, fresh.is_paused, fresh.seen_bytes = outbox.since, outbox.waiters, outbox.is_paused, outbox.seen_bytes
    while outbox.frames:
        fresh.append(outbox.popleft())
    if held is not None:
        fresh.begin_hold()
        for data in held.values() if isinstance(held, OrderedDict) else held:
            fresh.hold(data)
    return fresh


class SheddingOutbox(Outbox):
    """Frames that wait, one by one. Control frames, fragments, and what a coroutine waits for are never dropped."""

    __slots__ = ("_number", "is_told")
    sheds = True

    def __init__(self, now: float) -> None:
        """Empty. A key that is a tuple may be dropped; one that is a number is kept."""
        super().__init__(now)
        self.frames: OrderedDict[Hashable, bytes] = OrderedDict()  # type: ignore[assignment]
        self.held: OrderedDict[Hashable, bytes] | None = None  # type: ignore[assignment]
        self.is_told = False
        self._number = 0

    def append(self, data: bytes) -> None:
        """Queues encoded frames that are kept."""
        self._number += 1
        self.frames[self._number] = data
        self.size_bytes += len(data)

    def popleft(self) -> bytes:
        """The oldest, to be written."""
        data = self.frames.popitem(last=False)[1]
        self.size_bytes -= len(data)
        return data

    def begin_hold(self) -> None:
        """A message begins to be sent in fragments."""
        self.held = OrderedDict()

    def all(self) -> list[bytes]:
        """Everything that waits."""
        return [*self.frames.values(), *(self.held or {}).values()]

    def hold(self, data: bytes) -> None:
        """Keeps whole frames back until the fragmented message is out."""
        assert self.held is not None
        self._number += 1
        self.held[self._number] = data
        self.size_bytes += len(data)

    def release_held(self) -> None:
        """The fragmented message is out: what was kept back follows it."""
        held, self.held = self.held, None
        self.frames.update(held or {})

    def shed(self, frames: Sequence[bytes], keys: Sequence[Hashable] | None, room_bytes: int, *, keep_old: bool) -> Dropped:
        """Queues messages, dropping until they fit into `room_bytes`: the oldest, or with `keep_old` themselves.

        `keys` says for each of which message it is the newer one, None for none. One message always fits an empty outbox.
        """
        number = size = 0
        for index, frame in enumerate(frames):
            key = keys[index] if keys is not None else None
            if key is not None:
                for queue in (self.frames, self.held or OrderedDict[Hashable, bytes]()):
                    old = queue.pop(("key", key), None)
                    if old is not None:
                        number, size = number + 1, size + self._forget(old)
            while self._is_full(len(frame), room_bytes):
                old = None if keep_old else self._pop_oldest()
                if old is None:
                    break
                number, size = number + 1, size + self._forget(old)
            if keep_old and self._is_full(len(frame), room_bytes):
                number, size = number + 1, size + len(frame)
                continue
            self._number += 1
            (self.frames if self.held is None else self.held)[("number", self._number) if key is None else ("key", key)] = frame
            self.size_bytes += len(frame)
        return number, size

    def _forget(self, frame: bytes) -> int:
        self.size_bytes -= len(frame)
        return len(frame)

    def _is_full(self, more_bytes: int, room_bytes: int) -> bool:
        count = len(self.frames) + len(self.held or ())
        return bool(count) and (self.size_bytes + more_bytes > room_bytes or count >= MOST_SHEDDING)

    def _pop_oldest(self) -> bytes | None:
        """Takes out the oldest that may be dropped; few are in front of it."""
        for queue in (self.frames, self.held or OrderedDict[Hashable, bytes]()):
            for key in queue:
                if isinstance(key, tuple):
                    return queue.pop(key)
        return None


class Boundaries:
    """Cuts batches into messages and finds their keys, each once a turn for all who ask for it."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """`call_soon` runs a function at the next turn: what is kept for others is forgotten then."""
        self._call_soon = call_soon
        self._batch = b""
        self._frames: list[bytes] = []
        self._keys: dict[str, list[Hashable]] = {}

    def split(self, batch: bytes) -> list[bytes]:
        """The frames of a batch."""
        if batch is not self._batch:
            if not self._batch:
                self._call_soon(self._forget)
            self._batch, self._frames, self._keys = batch, split_frames(batch), {}
        return self._frames

    def keys(self, batch: bytes, path: str) -> list[Hashable]:
        """The key of each message of a batch."""
        frames = self.split(batch)
        found = self._keys.get(path)
        if found is None:
            names = path.split(".")[1:]
            found = self._keys[path] = [find_key(frame, names) for frame in frames]
        return found

    def _forget(self) -> None:
        self._batch, self._frames, self._keys = b"", [], {}


def split_frames(batch: bytes) -> list[bytes]:
    """The whole frames of a server that were joined."""
    frames, at = [], 0
    while at < len(batch):
        end = _payload_at(batch, at) + _length(batch, at)
        frames.append(batch[at:end])
        at = end
    return frames


def count_messages(data: bytes) -> int:
    """How many whole messages are among the frames of a server; control frames and fragments are none."""
    count = at = 0
    while at < len(data):
        count += data[at] & 0x8F in (0x81, 0x82)
        at = _payload_at(data, at) + _length(data, at)
    return count


def find_key(frame: bytes, names: Sequence[str]) -> Hashable:
    """What a JSON message has at a place; None where it is no JSON, or has no text, number or truth value there."""
    payload = frame[_payload_at(frame, 0) :]
    try:
        if frame[0] & _COMPRESSED:
            payload = zlib.decompressobj(-15).decompress(payload + _TAIL)
        found: Any = decode(payload)
    except (DecodeError, zlib.error, UnicodeDecodeError, RecursionError):
        return None
    for name in names:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return (type(found).__name__, found) if isinstance(found, str | int | float) else None


def _payload_at(data: bytes, at: int) -> int:
    return at + (2 if data[at + 1] < 126 else 4 if data[at + 1] == 126 else 10)


def _length(data: bytes, at: int) -> int:
    length = data[at + 1]
    return length if length < 126 else int.from_bytes(data[at + 2 : _payload_at(data, at)], "big")
