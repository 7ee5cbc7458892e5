"""The errors of wsrouter, one family:

    WsrouterError
    ├── HandlerError      a handler is used in a way that cannot work (its author's fault)
    ├── TemplateError     a template names a placeholder that does not exist or cannot be filled
    └── StartError        the site is right, but cannot be started here: a port in use, a missing permission

Texts are one line, lower case, with the value and what is allowed.
"""

from __future__ import annotations


class WsrouterError(Exception):
    """The root: catch this to catch everything that wsrouter raises on purpose."""


class HandlerError(WsrouterError):
    """A handler is used in a way that cannot work."""


class TemplateError(WsrouterError):
    """A template cannot be parsed or filled. `column` counts from 0 within the template's text."""

    def __init__(self, message: str, column: int = 0) -> None:
        """`message` says what is wrong and what is known."""
        super().__init__(message)
        self.column = column


class StartError(WsrouterError):
    """A site that cannot be started on this machine, now."""
