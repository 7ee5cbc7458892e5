"""How a command ends early: one clear line and an exit code."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot do what it is asked to; the text is one line that says why and what to do."""

    def __init__(self, text: str, code: int = 1) -> None:
        """`code` is the exit code: 1 where something is wrong, 2 where the command line is."""
        super().__init__(text)
        self.code = code
