"""[hot] Cuts a byte stream at frame boundaries, and encodes frames (RFC 6455, section 5.2).

The fast lane is one loop over one read: whole, unfragmented, uncompressed, masked text and binary frames within the limit
become messages here. Every other frame is only measured: `ServerProtocol` gets it whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from struct import Struct

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # the C function, or Python's where there is no C

from wsrouter.api.messages import Message

DONE, MORE, SLOW, BAD, NOT_TEXT = range(5)
"""What `cut` stopped at: the end; a frame that is not whole yet; one for the slow lane; one that fails at its header; text that is not UTF-8."""

_UINT16 = Struct("!H")
_UINT64 = Struct("!Q")
pack_header16 = Struct("!BBH").pack
_HEADER64 = Struct("!BBQ")
# 126 prepared headers: looking one up saves 35 ns over packing it.
TEXT_HEADERS = [bytes((0x81, length)) for length in range(126)]
_BINARY_HEADERS = [bytes((0x82, length)) for length in range(126)]
_VALID_OPCODES = frozenset((0x0, 0x1, 0x2, 0x8, 0x9, 0xA))


def cut(data: bytes, at: int, limit: int, messages: list[Message]) -> tuple[int, int, int]:
    """Appends the whole messages that start at `at` to `messages`; stops at the first frame that is not for the fast lane.

    Returns:
        where it stopped, why (DONE to NOT_TEXT), and: for MORE how many bytes the frame has from there (as far as known),
        for SLOW and NOT_TEXT where the frame ends, else 0.
    """
    size = len(data)
    while size - at >= 6:
        length = data[at + 1] - 128
        if 0 <= length < 126:
            payload = at + 6
        elif length < 0:
            return at, BAD, 0  # not masked
        elif length == 126:
            if size - at < 8:
                return (at, *measure(data, at, limit))
            length = data[at + 2] << 8 | data[at + 3]  # 15 ns less than unpack
            payload = at + 8
        else:
            if size - at < 14:
                return (at, *measure(data, at, limit))
            length = _UINT64.unpack_from(data, at + 2)[0]
            payload = at + 14
        first = data[at]
        if length > limit:
            return at, BAD, 0
        end = payload + length
        if end > size:
            return at, MORE if first & 0x0F in _VALID_OPCODES else BAD, end - at
        if first == 0x81:
            try:
                messages.append(apply_mask(data[payload:end], data[payload - 4 : payload]).decode())
            except UnicodeDecodeError:
                return at, NOT_TEXT, end
        elif first == 0x82:
            messages.append(apply_mask(data[payload:end], data[payload - 4 : payload]))
        else:
            return at, SLOW, end
        at = end
    if at == size:
        return at, DONE, 0
    # Fewer than six bytes: not even a header with its mask. What is wrong in them already is told at once.
    return (at, *measure(data, at, limit))


def measure(data: bytes, at: int, limit: int) -> tuple[int, int]:
    """The header arithmetic alone, for one frame at `at`: (SLOW, where it ends), (MORE, bytes it has) or (BAD, 0).

    BAD is what `ServerProtocol` fails at the header: an unknown opcode, no mask, a length over `limit`.
    """
    size = len(data) - at
    if size >= 1 and data[at] & 0x0F not in _VALID_OPCODES and size >= 2:
        return BAD, 0
    if size < 2:
        return MORE, 2
    second = data[at + 1]
    if second < 128:
        return BAD, 0
    length, header = second - 128, 6
    if length == 126:
        header = 8
        if size < 4:
            return MORE, 4
        length = _UINT16.unpack_from(data, at + 2)[0]
    elif length == 127:
        header = 14
        if size < 10:
            return MORE, 10
        length = _UINT64.unpack_from(data, at + 2)[0]
    if length > limit:
        return BAD, 0
    if size < header + length:
        return MORE, header + length
    return SLOW, at + header + length


def encode(message: Message, variant: int = 0) -> bytes:
    """A message as one whole, unmasked frame; compressed for a variant above 0, which is the window bits.

    Raises:
        UnicodeEncodeError: for text with a lone surrogate.
    """
    if type(message) is str:
        payload = message.encode()
        if not variant:
            length = len(payload)
            if length < 126:
                return TEXT_HEADERS[length] + payload
            return frame(0x81, payload)
        return frame(0xC1, deflate(payload, variant))
    if not variant:
        length = len(message)
        if length < 126:
            return _BINARY_HEADERS[length] + message  # type: ignore[operator]  # bytes by elimination
        return frame(0x82, message)  # type: ignore[arg-type]
    return frame(0xC2, deflate(message, variant))  # type: ignore[arg-type]


def frame(first: int, payload: bytes) -> bytes:
    """A frame with this first byte, unmasked, as servers send them."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65536:
        return pack_header16(first, 126, length) + payload  # 20 ns less than join
    return _HEADER64.pack(first, 127, length) + payload


def deflate(payload: bytes, window_bits: int) -> bytes:
    """A payload as permessage-deflate without context takeover wants it (RFC 7692, section 7.2.1)."""
    compressor = zlib.compressobj(wbits=-window_bits, memLevel=5)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def join(messages: Sequence[Message], variant: int = 0) -> bytes:
    """Several messages as frames, one after the other."""
    return b"".join([encode(message, variant) for message in messages])
