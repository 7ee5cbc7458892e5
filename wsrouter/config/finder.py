"""Who finds handlers for the site's file: plugins/, handed in, since config may not import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsrouter.api.options import OptionSet
from wsrouter.config.problems import Place


class HandlerProblem(Exception):  # noqa: N818 -- a problem of the site, as all others; it only travels as an exception
    """A handler that cannot be had. `place` is where its plugin is wrong; None where it is the site that names no such handler."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        """`message` is one line, lower case, with the cure."""
        super().__init__(message)
        self.message = message
        self.place = place


class HandlerFinder(Protocol):
    """Finds handlers by the names that a site uses."""

    def find(self, name: str) -> OptionSet:
        """The handler of this name.

        Raises:
            HandlerProblem: if there is none, or if it cannot be loaded.
        """

    def names(self) -> Sequence[str]:
        """The names that are known without loading anything, for suggestions."""
