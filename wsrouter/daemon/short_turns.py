"""Work of threads beside the event loop: while there is some, the loop gets the interpreter back soon.

Python hands it over after 5 ms, which clients feel. Must be used in the thread of the loop.
"""

from __future__ import annotations

import sys
from typing import Final

TURN_S: Final = 0.0005
_USUAL_S: Final = sys.getswitchinterval()
_at_work = 0


def begin_work() -> None:
    """A thread begins to work."""
    global _at_work  # noqa: PLW0603 -- as the interval, it is one for the process
    _at_work += 1
    sys.setswitchinterval(TURN_S)


def end_work() -> None:
    """It has ended, perhaps long after somebody waited for it."""
    global _at_work  # noqa: PLW0603
    _at_work -= 1
    if not _at_work:
        sys.setswitchinterval(_USUAL_S)
