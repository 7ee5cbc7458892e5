"""SO_REUSEPORT: two processes on one TCP address, so that the next daemon serves before the last one ends. socket(7).

The kernel spreads newcomers over the sockets of such a group by a hash, and what waits in the queue of one that is closed is reset
(unless net.ipv4.tcp_migrate_req is on). So whoever leaves first has the kernel choose the other one: by a filter program, which is
the group's, of one instruction: the socket with this index in the group. Sockets join at the end, and when one leaves, the last takes
its index; so of two, the one that came first has index 0 and its successor 1. An index that nobody has means: by the hash.
"""

from __future__ import annotations

import socket
import struct
from array import array
from contextlib import suppress
from typing import Final

# asm-generic/socket.h; Python's socket module does not have them.
_ATTACH: Final = 51
_DETACH: Final = 68
# linux/filter.h: struct sock_filter {code, jt, jf, k}, BPF_RET | BPF_K; struct sock_fprog {len, filter}.
_INSTRUCTION: Final = struct.Struct("HBBI")
_PROGRAM: Final = struct.Struct("HP")
_RETURN: Final = 0x06
_SUCCESSOR: Final = 1


def steer_to_successor(sock: socket.socket) -> None:
    """From now on the kernel gives newcomers to the socket that joined the group after this one; nothing changes where there is none."""
    instruction = array("B", _INSTRUCTION.pack(_RETURN, 0, 0, _SUCCESSOR))
    with suppress(OSError):  # no Linux: as before, by the hash
        sock.setsockopt(socket.SOL_SOCKET, _ATTACH, _PROGRAM.pack(1, instruction.buffer_info()[0]))


def stop_steering(sock: socket.socket) -> None:
    """By the hash again, whatever one who has left wanted."""
    with suppress(OSError):  # there was nothing to stop; or no Linux
        sock.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
