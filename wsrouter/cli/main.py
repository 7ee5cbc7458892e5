"""`wsrouter`: finds the subcommand, imports only its file, and runs it. Without one, `run` is meant."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

COMMANDS = ("run", "check", "routes", "explain", "schema", "handlers", "init", "new", "connect", "completion")
"""The subcommands; each is a module of this package."""

EXIT_CODES = """\
exit codes: 0 ok, 1 a problem found or a start that failed, 2 usage, 78 `run` with a bad site

the site is -c/--config FILE, or FILE, or $WSROUTER_CONFIG, ./site.yaml, ./config/site.yaml, /etc/wsrouter/site.yaml
`wsrouter --config FILE` and `wsrouter FILE` are `wsrouter run FILE`
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        make_parser(COMMANDS).print_help()
        return 2
    if words[0] in ("-h", "--help"):
        make_parser(COMMANDS).print_help()
        return 0
    if words[0] in ("-V", "--version"):
        print(versions())
        return 0
    if words[0] not in COMMANDS:
        words.insert(0, "run")
    parsed = make_parser([words[0]]).parse_args(words)
    parsed.make_parser = lambda: make_parser(COMMANDS)
    try:
        return int(parsed.run(parsed))
    except BrokenPipeError:  # `wsrouter routes | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def make_parser(commands: Sequence[str]) -> ArgumentParser:
    """The parser with these subcommands; one is enough to run it, and imports nothing of the others."""
    parser = ArgumentParser(
        prog="wsrouter",
        description="One daemon, one YAML file, many WebSocket endpoints.",
        epilog=EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the versions of wsrouter, Python, websockets and uvloop")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in commands:
        module = load_command(name)
        command = subparsers.add_parser(name, help=module.HELP, description=_description(module), formatter_class=RawDescriptionHelpFormatter)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def load_command(name: str) -> ModuleType:
    """The module of a subcommand."""
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


def _description(module: ModuleType) -> str:
    text = str(module.HELP)
    return f"{text[0].upper()}{text[1:]}."
