"""`wsrouter`: finds the subcommand, imports only its file, and runs it. Without one, `run` is meant."""

from __future__ import annotations

import errno
import gc
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

COMMANDS = (
    *("run", "check", "test", "routes", "explain", "schema", "handlers", "init", "new"),
    *("connect", "bench", "reload", "status", "health", "publish", "pip", "completion"),
)
"""The subcommands; each is a module of this package."""

DESCRIPTION = "One daemon, one YAML file, many WebSocket endpoints."

EPILOG = """\
a first try:
  wsrouter init mysite                             makes a site with a first plugin
  wsrouter run mysite/site.yaml                    serves it; so does wsrouter --config mysite/site.yaml
  wsrouter connect localhost:8765/echo             talks to it

the site:
  named as FILE or with -c FILE, else $WSROUTER_CONFIG, ./site.yaml, ./config/site.yaml,
  /etc/wsrouter/site.yaml: the first that is there

exit codes:
  0 ok, 1 a problem found or a start that failed, 2 wrong usage,
  3 a threshold of `bench` missed, 78 run with a bad site

wsrouter COMMAND --help tells more about a command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process; returns the exit code."""
    if arguments is not None:
        return _run(list(arguments))
    # A command that answers and ends makes no garbage worth looking for: 20 ms of the 130 of `check`. `run` and `connect` turn it on again.
    gc.disable()
    try:
        return _run(sys.argv[1:])
    finally:
        if not gc.isenabled():  # those that turned it on have loops and sockets to be ended in the ordinary way
            gc.freeze()


def _run(words: list[str]) -> int:
    _open_closed_streams()
    _never_fail_to_print()
    try:
        return _dispatch(words)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.code
    except BrokenPipeError:  # `wsrouter routes | head`: nothing more may be written there, also not at exit
        _print_to_nowhere()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _print_to_nowhere()
        print(f"cannot print the answer: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _dispatch(words: list[str]) -> int:
    if not words:
        make_parser(COMMANDS).print_help(sys.stderr)
        return 2
    first = words[0]
    if first in {"-h", "--help", "help"}:
        make_parser(COMMANDS).print_help()
        return 0
    if first in {"-V", "--version"}:
        print(versions())
        return 0
    name = first if first in COMMANDS else "run"
    if first not in COMMANDS:
        _refuse_unknown_command(first)
    module = load_command(name)
    parsed = _fill(_new_parser(f"wsrouter {name}"), module).parse_args(words[1:] if first in COMMANDS else words)
    parsed.make_parser = lambda: make_parser(COMMANDS)
    code = int(module.run(parsed))
    sys.stdout.flush()
    return code


def make_parser(commands: Sequence[str]) -> ArgumentParser:
    """The parser with these subcommands, for the help and for completion; it imports all of them."""
    parser = _new_parser("wsrouter")
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("-V", "--version", action="store_true", help="print the versions of wsrouter, Python, websockets and uvloop")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in commands:
        module = load_command(name)
        _fill(subparsers.add_parser(name, help=module.HELP, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False), module)
    return parser


def load_command(name: str) -> ModuleType:
    """The module of a subcommand: `HELP`, perhaps `EPILOG`, `add_arguments` and `run`."""
    return import_module(f"wsrouter.cli.{name}")


def versions() -> str:
    """One line: what runs here."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    from wsrouter import __version__

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return f"wsrouter {__version__} (python {python_version()}, websockets {installed('websockets')}, uvloop {installed('uvloop')})"


def _new_parser(program: str) -> ArgumentParser:
    # No abbreviations: an option that is added later must not change what a command line means.
    return ArgumentParser(prog=program, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False)


def _fill(parser: ArgumentParser, module: ModuleType) -> ArgumentParser:
    """Gives a parser the texts and arguments of a subcommand."""
    text = str(module.HELP)
    parser.description = f"{text[0].upper()}{text[1:]}."
    parser.epilog = getattr(module, "EPILOG", None)
    module.add_arguments(parser)
    return parser


def _refuse_unknown_command(word: str) -> None:
    """A word that names no file, and does not look like one, was meant as a command.

    Raises:
        CommandError: with the nearest command.
    """
    if word.startswith("-") or "/" in word or "." in word or Path(word).exists():
        return
    from wsrouter.config.nearest import find_nearest

    nearest = find_nearest(word, COMMANDS)
    cure = f"did you mean {nearest}? commands are" if nearest else "commands are"
    raise CommandError(f"there is no command {word!r}, and no such file: {cure} {', '.join(COMMANDS)}", 2)


def _print_to_nowhere() -> None:
    """What is left in stdout's buffer, and what is printed from now on, is dropped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Started without stdin, stdout or stderr, it gets the null device for them, so that no socket is given their numbers."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                os.fstat(descriptor)
                continue
            null = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, os.fdopen(null, "w" if descriptor else "r"))


def _never_fail_to_print() -> None:
    """What the terminal's encoding cannot show is escaped, as on stderr."""
    with suppress(AttributeError, ValueError):  # a stand-in of a test, or closed
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
