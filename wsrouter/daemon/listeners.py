"""The listeners of a daemon: opened together, and changed by a reload so that no address is given up before its successor is bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.api.errors import StartError
from wsrouter.config.address import parse_address
from wsrouter.wire.listener import Listener
from wsrouter.wire.passed import PassedSockets

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from wsrouter.config.settings import Listen
    from wsrouter.wire.hub import Hub


class Listeners:
    """All addresses that a daemon listens on."""

    def __init__(self, hub: Hub, passed: PassedSockets | None = None, *, reuse_port: bool = False) -> None:
        """Nothing is opened yet. `passed` are sockets that were opened by somebody else; with `reuse_port` another process may have the same TCP addresses."""
        self._hub = hub
        self._passed = passed or PassedSockets()
        self._reuse_port = reuse_port
        self._open: list[Listener] = []

    @property
    def urls(self) -> list[str]:
        """Where clients find it."""
        return [url for listener in self._open for url in listener.urls]

    async def open(self, settings: Sequence[Listen]) -> None:
        """Listens on all of them.

        Raises:
            StartError: if one cannot be had; none is left open then.
        """
        change = await self.prepare(settings)
        try:
            await change.serve()
        except BaseException:
            change.cancel()
            raise
        change.commit()

    async def prepare(self, settings: Sequence[Listen]) -> ListenerChange:
        """Binds what is new beside what is there; nobody is accepted there yet.

        Raises:
            StartError: if one cannot be had; what was bound here is closed again.
        """
        change = ListenerChange(self._open, settings, self._passed)
        try:
            await change.bind(lambda wanted: Listener(wanted, self._hub, self._passed, reuse_port=self._reuse_port))
        except BaseException:
            change.cancel()
            raise
        return change

    def steer_to_successor(self) -> bool:
        """Has newcomers go to the next daemon, if there is one. Whether there may be one: then this one should accept a moment longer what was on its way."""
        steered = [listener.steer_to_successor() for listener in self._open]
        return any(steered)

    def close(self) -> None:
        """Stops accepting. Open connections go on."""
        for listener in self._open:
            listener.close()
        self._open.clear()


class ListenerChange:
    """From the listeners that are open to those that are wanted."""

    def __init__(self, opened: list[Listener], wanted: Sequence[Listen], passed: PassedSockets) -> None:
        """`opened` is changed in place, by `commit`."""
        self._opened = opened
        self._wanted = wanted
        self._passed = passed
        self._bound: dict[Listener, Listener | None] = {}
        self._after: list[Listener] = []
        self._contexts: list[tuple[Listener, ssl.SSLContext | None]] = []

    async def bind(self, make: Callable[[Listen], Listener]) -> None:
        """Binds what is not there yet.

        Raises:
            StartError: if an address cannot be had, or the certificate of one that stays; or if a socket was passed that nobody would accept from.
        """
        left = list(self._opened)
        for settings in self._wanted:
            address = parse_address(settings.address)
            before = next((each for each in left if parse_address(each.settings.address) == address), None)
            if before is not None:
                left.remove(before)
            if before is not None and before.settings == settings:
                self._contexts.append((before, before.next_context()))
                self._after.append(before)
                continue
            listener = make(settings)
            self._bound[listener] = before
            self._after.append(listener)
            try:
                await listener.bind(before)
            except StartError as error:
                raise StartError(f"{error}{self._overlap(listener)}") from error
        self._passed.check_wanted([one for listener in self._after for one in listener.uses], [parse_address(each.address) for each in self._wanted])

    async def serve(self) -> None:
        """Accepts on what is new, while what is there goes on.

        Raises:
            StartError: if another process was faster.
        """
        for listener in self._bound:
            await listener.serve()

    def commit(self) -> None:
        """Closes what is wanted no more."""
        for listener, before in self._bound.items():
            if before is not None:
                listener.inherit_file(before)
        for listener in self._opened:
            if listener not in self._after:
                listener.close()
        self._opened[:] = self._after
        for listener, context in self._contexts:
            listener.take_context(context)

    def cancel(self) -> None:
        """Closes what was bound for it, and leaves everything as it was."""
        for listener, before in self._bound.items():
            listener.close()
            if before is not None:
                before.restore_file()

    def _overlap(self, listener: Listener) -> str:
        """What to do where the address is taken by one of this daemon's own, as 127.0.0.1:80 keeps 0.0.0.0:80 from being bound."""
        address = parse_address(listener.settings.address)
        for own in self._opened:
            if address.port and parse_address(own.settings.address).port == address.port:
                return f"; wsrouter itself listens on {own.settings.address}, which cannot be changed to this without a restart"
        return self._passed.near(address)
