"""`HandlerSpec`: all that is known of one handler before it is made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsrouter.api.errors import HandlerError
from wsrouter.api.handler import Handler
from wsrouter.api.options import REQUIRED, OptionError, OptionField
from wsrouter.config.secrets import hide_secrets

Kind = Literal["class", "coroutine", "source"]
"""A `Handler` class, a coroutine function as for `websockets`, or an async generator function that is a source."""


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """One handler as found: what the check, the listings and the pipeline need of it. Fits `OptionSet`."""

    name: str
    """As the site writes it."""
    kind: Kind
    target: Callable[..., object]
    """The class, or the function: `target(**options)` makes a handler where `kind` is class."""
    fields: tuple[OptionField, ...]
    """Its options in the order of their declaration."""
    origin: str
    """Where it comes from, for listings: `built-in`, `plugins/hello.py:3`, `package.module:Class`, `entry point chat`."""
    file: Path | None = None
    line: int = 1
    doc: str = ""
    takes_path: bool = False
    """Whether a coroutine has the old form `handler(websocket, path)`."""
    sources: tuple[Path, ...] = ()
    """The files of the plugin folder that it is made of: its own first, then those that this one imports, directly or not."""
    package: str = ""
    """The private package of the folder and generation that its code lives in; empty for what is no plugin file."""

    @property
    def summary(self) -> str:
        """The first line of its docstring, or nothing."""
        return self.doc.partition("\n")[0]

    def with_defaults(self, options: dict[str, object]) -> dict[str, object]:
        """The options with a copy of the default for each that is not given; one that has no default stays out."""
        defaults = {field.name: copy.copy(field.default) for field in self.fields if field.default is not REQUIRED}
        return {**defaults, **options}

    def check(self, options: dict[str, object]) -> None:
        """Makes an instance of a class with these options and has it look at them together; of a function there is nothing to ask.

        Raises:
            ValueError: what is wrong; `option` of an OptionError names the one to point at.
        """
        if self.kind != "class":
            return
        try:
            handler = self.target(**self.with_defaults(options))
            if isinstance(handler, Handler):
                handler.check()
        except ValueError:
            raise
        except HandlerError as error:
            raise OptionError(str(error)) from error
        except BaseException as error:  # a plugin's code: even its sys.exit() is a problem of the site, not the end of the process
            own = isinstance(error, TypeError) and "__init__" in vars(self.target)
            cure = "; delete its __init__: options are annotated fields, and the rest begins in start(self, context)" if own else ""
            raise OptionError(f"checking the options of {self.name!r} raised {error_text(error)}{cure}") from error


def error_text(error: BaseException) -> str:
    """An exception as one line: `KeyError: 'x'`; without secrets, never raises, at most 256 characters."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 -- its __str__ is a plugin's
        text = ""
    line = hide_secrets(" ".join(text.split()))
    return (f"{type(error).__name__}: {line}" if line else type(error).__name__)[:256]
