"""Listening sockets that somebody else bound and passed on, as systemd does for a socket unit (sd_listen_fds(3)).

They stay open in the hands of whoever passed them, so nobody is refused while one process ends and the next begins. Each must be
wanted by the site: a socket that nobody accepts from would keep its clients waiting for ever.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wsrouter.api.errors import StartError

if TYPE_CHECKING:
    from wsrouter.config.address import Address

FIRST: Final = 3
"""The number of the first one: SD_LISTEN_FDS_START."""
MOST: Final = 1024
VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@dataclass(frozen=True, slots=True, eq=False)
class PassedSocket:
    """One listening socket."""

    sock: socket.socket
    name: str
    """What the one who passed it calls it; systemd: the name of the socket unit."""

    @property
    def address(self) -> str:
        """Where it listens, as a site writes it."""
        name = self.sock.getsockname()
        if self.sock.family is socket.AF_UNIX:
            return f"unix:{_text(name)}"
        return f"[{name[0]}]:{name[1]}" if self.sock.family is socket.AF_INET6 else f"{name[0]}:{name[1]}"

    @property
    def told(self) -> str:
        """For people: the address, and whose it is."""
        both = ", for IPv4 and IPv6: :PORT in server.listen" if self.is_for_both else ""
        return f"{self.address} ({self.name}{both})"

    @property
    def is_for_both(self) -> bool:
        """Whether it is an IPv6 socket that IPv4 clients reach, too."""
        return self.sock.family is socket.AF_INET6 and not self.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)

    def copy(self) -> socket.socket:
        """The same socket for a listener, which closes it when it is done."""
        return self.sock.dup()


class PassedSockets:
    """All that were passed to this process."""

    def __init__(self, sockets: Iterable[PassedSocket] = ()) -> None:
        """None is the ordinary case."""
        self._sockets = list(sockets)

    def __bool__(self) -> bool:
        return bool(self._sockets)

    def find(self, family: socket.AddressFamily, host: str, port: int) -> PassedSocket | None:
        """The one that listens on this numeric address."""
        wanted = socket.inet_pton(family, host)
        for one in self._sockets:
            name = one.sock.getsockname()
            if one.sock.family is family and name[1] == port and socket.inet_pton(family, name[0].partition("%")[0]) == wanted:
                return one
        return None

    def find_unix(self, path: str) -> PassedSocket | None:
        """The one that listens on this path."""
        return next((one for one in self._sockets if one.sock.family is socket.AF_UNIX and one.sock.getsockname() == path), None)

    def near(self, address: Address) -> str:
        """A hint where an address cannot be had: one that was passed has the same port, and is another."""
        for one in self._sockets:
            if one.sock.family is not socket.AF_UNIX and one.sock.getsockname()[1] == address.port:
                return f"; {one.told} was passed, which is another address: write it in server.listen, or {address} in the socket unit"
        return ""

    def check_wanted(self, used: Iterable[PassedSocket], wanted: Iterable[Address]) -> None:
        """Looks whether each of them is accepted from.

        Raises:
            StartError: if not; the text says which, and what is wanted.
        """
        idle = [one for one in self._sockets if one not in set(used)]
        if idle:
            told = ", ".join(one.told for one in idle)
            raise StartError(
                f"cannot use what was passed: {told} is not in server.listen, which is {', '.join(map(str, wanted))}; "
                "write it there, or take it out of the socket unit and restart that"
            )


def take_passed_sockets(environ: MutableMapping[str, str], pid: int | None = None) -> PassedSockets:
    """Those that the environment tells of; its variables are removed, so that nobody else takes them.

    `pid` is this process's where it is None; what is meant for another is left alone.

    Raises:
        StartError: if the variables make no sense, or one is no listening stream socket.
    """
    told = {name: environ.pop(name, "") for name in VARIABLES}
    if not told["LISTEN_FDS"] or told["LISTEN_PID"] != str(os.getpid() if pid is None else pid):
        return PassedSockets()
    count = int(told["LISTEN_FDS"]) if told["LISTEN_FDS"].isascii() and told["LISTEN_FDS"].isdecimal() else -1
    if not 0 <= count <= MOST:
        raise StartError(f"LISTEN_FDS is {told['LISTEN_FDS']!r}: it must be a number from 0 to {MOST}, of the sockets that were passed")
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else []
    return PassedSockets([_take(FIRST + index, names[index] if index < len(names) else "unknown") for index in range(count)])


def _take(descriptor: int, name: str) -> PassedSocket:
    """Makes a socket of a descriptor.

    Raises:
        StartError: if it is none that can be accepted from.
    """
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise StartError(f"descriptor {descriptor} ({name}), which was passed as a socket, cannot be used: {error.strerror}") from None
    if sock.type is not socket.SOCK_STREAM or sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        raise StartError(f"descriptor {descriptor} ({name}) was passed and is no stream socket of TCP or Unix: use ListenStream= in the socket unit")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise StartError(f"descriptor {descriptor} ({name}) was passed and does not listen: use Accept=no in the socket unit")
    return PassedSocket(sock, name)


def _text(name: str | bytes) -> str:
    """The path of a Unix socket, or `@name` of an abstract one."""
    return "@" + os.fsdecode(name).removeprefix("\0") if isinstance(name, bytes) else name
