"""`wsrouter completion SHELL`: a completion script for the shell, made of the same parser as the help texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

NAME = "completion"
HELP = "print a completion script for a shell"

SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the argument."""
    parser.add_argument("shell", choices=SHELLS, help='the shell; for bash: eval "$(wsrouter completion bash)"')


def run(arguments: Namespace) -> int:
    """Prints the script. `arguments.make_parser` is the caller's: it makes the parser with all subcommands, which no other command needs."""
    import shtab

    print(shtab.complete(arguments.make_parser(), arguments.shell))
    return 0
