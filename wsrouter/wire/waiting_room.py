"""Decisions on newcomers that must be waited for: at most 100 at once, as many again ten times over wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from wsrouter.pipeline.tasks import is_cancelled

T = TypeVar("T")

# Precedent: Envoy's ext_authz and nginx leave it open; 100 are more than a password file or an inner service answers at once.
AT_ONCE: Final = 100
MOST_WAITING: Final = 1000


class WaitingRoom:
    """One for a daemon. Each decision belongs to a handshake, whose timeout and whose leaving cancel it."""

    __slots__ = ("_turns", "waiting")

    def __init__(self) -> None:
        """Made when the first decision must wait."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.waiting = 0

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return self.waiting >= AT_ONCE + MOST_WAITING

    async def decide(self, decide: Callable[[], Awaitable[T]], failed: Callable[[BaseException], T]) -> T:
        """Waits for its turn, then for the decision; for one that fails `failed` answers."""
        self.waiting += 1
        try:
            async with self._turns:
                return await decide()
        except BaseException as error:  # a plugin's sys.exit() must not end the daemon
            if is_cancelled(error):
                raise
            return failed(error)
        finally:
            self.waiting -= 1
