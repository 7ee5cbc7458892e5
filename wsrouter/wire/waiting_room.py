"""Decisions on newcomers that must be waited for: at most 100 at once, as many again ten times over wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from wsrouter.access.decision import Decision, Later, unavailable

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

    async def decide(self, decide: Later, failed: Callable[[Exception], None]) -> Decision:
        """Waits for its turn, then for the decision. One that fails keeps the client out, and `failed` is told."""
        self.waiting += 1
        try:
            async with self._turns:
                return await decide()
        except Exception as error:  # noqa: BLE001 -- whatever it is, nobody comes in for it
            failed(error)
            return unavailable(f"telling who it is failed: {type(error).__name__}")
        finally:
            self.waiting -= 1
